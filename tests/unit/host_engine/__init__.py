"""A database engine of a host, around Django's for SQLite."""
