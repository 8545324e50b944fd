"""Delivery: pass events from their announcement to local subscribers. It imports no models."""
