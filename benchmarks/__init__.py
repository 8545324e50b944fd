"""Benchmarks of the broker, side by side with others: ``python -m benchmarks --help``."""
