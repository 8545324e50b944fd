"""Benchmarks of the broker in comparison with other servers: ``python -m benchmarks --help``."""
