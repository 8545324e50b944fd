"""Says nothing about a database, or brings its own: `make test-slow` runs it once."""
