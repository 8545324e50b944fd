"""What Django imports of an engine."""

from django.db.backends.sqlite3 import base


class DatabaseWrapper(base.DatabaseWrapper):
    """A wrapper as those are that count queries."""
