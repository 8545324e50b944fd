"""The rules of the broker in plain Python: no Django, no transport, no database."""
