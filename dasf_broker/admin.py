"""The broker in Django's admin."""
