"""Start the trivial server, which shows how fast a load generator is by itself."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tests import services
from tests.acceptance.servers import ROOT, Server


@contextmanager
def trivial_server() -> Iterator[Server]:
    """Run the trivial server as long as the context lasts."""
    port = services.free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.servers.trivial", str(port)], cwd=ROOT
    )
    server = Server(process, port)
    try:
        services.wait_for_port(port)
        yield server
    finally:
        server.kill()
