"""Start a load generator as a process of its own, and read its results."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from tests.acceptance.servers import ROOT, Server

#: Seconds after which a generator is given up.
PATIENCE = 300


def generate(kind: str, server: Server, **task: Any) -> dict[str, float]:
    """Put a load on a server.

    Parameters
    ----------
    kind
        A module of :mod:`benchmarks.load`.
    server
        The server; how busy it is, is measured too.
    **task
        What the generator is to do.

    Returns
    -------
    dict
        What the generator measured. It fails if anything was not answered or delivered as it
        should.
    """
    given = {"port": server.port, "pid": server.process.pid, **task}
    done = subprocess.run(
        [sys.executable, "-m", f"benchmarks.load.{kind}"],
        cwd=ROOT,
        input=json.dumps(given),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"The generator {kind!r} failed:\n{done.stderr}")
    measured: dict[str, float] = json.loads(done.stdout)
    return measured
