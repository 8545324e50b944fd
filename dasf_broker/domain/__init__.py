"""The rules of the broker in plain Python, without Django, transports or a database."""
