"""The common parts of all benchmarks: sites, load generators, reports."""
