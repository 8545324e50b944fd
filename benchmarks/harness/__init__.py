"""What all benchmarks share: sites, generators of load, reports."""
