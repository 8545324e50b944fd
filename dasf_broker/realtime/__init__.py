"""The delivery: moves events from their announcement to local subscribers. Knows no tables."""
