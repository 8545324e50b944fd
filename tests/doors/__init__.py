"""See the house habits: tests by layer."""
