"""What the reference system promises, and what was wrong with it."""
