"""Threads, batches and periodic work: the ground floor. Knows no topics."""
