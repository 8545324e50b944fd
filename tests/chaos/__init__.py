"""Faults: processes and databases are killed, and nothing may be lost."""
