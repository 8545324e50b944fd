"""Threads, batches and periodic work. Nothing here depends on topics or messages."""
