"""The Python door: what host projects call."""
