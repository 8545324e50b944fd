"""The delivery: moves events from who announces them to who listens. Knows no tables."""
