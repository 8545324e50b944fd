"""Test a broker under faults: record what it did, and check its promises."""
