"""The ASGI application of a server under trial: its clock may jump, and it may be sabotaged."""

import os
from pathlib import Path

from tests.chaos.harness.faults import move_clock

move_clock(Path(os.environ["DASF_FAULTS"]))  # before anything keeps the real one

from testproject.asgi import application  # noqa: E402 - see above
from tests.chaos import sabotage  # noqa: E402 - it needs Django

if name := os.environ.get("DASF_SABOTAGE"):
    sabotage.HOOKS[name]()

__all__ = ["application"]
