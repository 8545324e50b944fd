"""Help for testing a broker: what it did under faults, written down and judged."""
