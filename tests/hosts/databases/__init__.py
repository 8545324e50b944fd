"""Projects on the database of the test run: on SQLite in each run, on PostgreSQL in long ones."""
