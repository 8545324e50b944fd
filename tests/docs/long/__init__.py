"""The guides that take long: see the Makefile."""
