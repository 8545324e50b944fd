"""System checks: report what would lose messages or rights before the server runs.

Each module says at its beginning what its checks report.
"""

from dasf_broker.checks import classes, connections, databases, settings

__all__ = ["classes", "connections", "databases", "settings"]
