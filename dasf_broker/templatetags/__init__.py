"""Template tags for hosts' pages."""
