"""Pages of topics and messages."""
