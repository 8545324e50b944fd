"""Says nothing about a database, or brings its own: `make test` runs it once."""
