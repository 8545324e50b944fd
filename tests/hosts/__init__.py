"""A small host project, and what its own tests see of the broker."""
