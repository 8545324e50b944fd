"""The settings of the servers that endure: the test project's, with bounds from the environment."""

from __future__ import annotations

import os

from testproject.settings import *  # noqa: F403

DASF_MAX_BACKLOG = int(os.environ.get("MAX_BACKLOG", "1000000"))
DASF_SEND_TIMEOUT = float(os.environ.get("SEND_TIMEOUT", "30"))
