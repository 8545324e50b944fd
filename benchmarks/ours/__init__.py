"""The benchmarks of `make bench`: the broker against yardsticks on the same machine."""
