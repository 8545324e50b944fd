"""The benchmarks of `make bench-peers`: the broker against other servers."""
