"""Load generators: small processes, each started with its task as JSON."""
