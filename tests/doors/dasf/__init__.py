"""The DASF websockets, frame by frame."""
