"""What holds in the long run: no leaks, slow readers, outages of Redis, long backlogs, resuming."""
