"""The benchmarks of `make bench`: the broker against simple servers on the same machine."""
