"""The settings of the servers that endure: the test project's, with bounds from the environment."""

from __future__ import annotations

from testproject import environment
from testproject.settings import *  # noqa: F403

DASF_MAX_BACKLOG = environment.number("MAX_BACKLOG", 1_000_000)
DASF_SEND_TIMEOUT = environment.seconds("SEND_TIMEOUT", 30)
