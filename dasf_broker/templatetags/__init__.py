"""Template tags for the pages of hosts."""
