"""Generators of load: lean processes of their own, each started with its task as JSON."""
