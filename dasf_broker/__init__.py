"""A message broker for Django projects whose API is GraphQL."""

__version__ = "0.1.0"
