"""Run a command of the broker, as a person or a script does."""

from __future__ import annotations

import json
from io import StringIO
from typing import Any, NamedTuple

from django.core.management import CommandError, call_command


class Ran(NamedTuple):
    """What a command came to."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        """What it printed, as JSON."""
        return json.loads(self.out)


def run(*command: str) -> Ran:
    """Run a command in this process; a refusal goes to ``err``, as on a terminal."""
    out, err = StringIO(), StringIO()
    try:
        call_command(*command, stdout=out, stderr=err)
    except CommandError as error:
        return Ran(error.returncode, out.getvalue(), f"{err.getvalue()}{error}")
    return Ran(0, out.getvalue(), err.getvalue())
