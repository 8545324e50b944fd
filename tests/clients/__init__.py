"""Real clients, as themselves, against running servers."""
