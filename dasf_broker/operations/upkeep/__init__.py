"""Periodic work: pings, retention, and removal of rows that are no longer needed."""
