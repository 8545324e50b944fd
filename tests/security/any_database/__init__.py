"""Tests of what does not reach the database, or is the same with any: they run once."""
