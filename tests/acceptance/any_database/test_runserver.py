"""``manage.py runserver`` serves websockets too, where daphne is installed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests import services
from tests.acceptance.clients import graphql_socket
from tests.acceptance.servers import ROOT, Server, Site, site


async def test_runserver_serves_websockets(tmp_path: Path) -> None:
    """Django's development server answers an operation on a socket."""
    with site(tmp_path, DEBUG="1") as made:
        keys = made.prepare({}, {"somebody": []})
        with _runserver(made) as server:
            async with graphql_socket(server, keys["somebody"]) as socket:
                viewer = await socket.execute("{ viewer { username } }")
    assert viewer == {"username": "somebody"}


@contextmanager
def _runserver(made: Site) -> Iterator[Server]:
    port = services.free_port()
    with (made.folder / "runserver.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "runserver", "--noreload", str(port)],
            cwd=ROOT,
            env=made.environment,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    server = Server(process, port)
    try:
        services.wait_for_port(port)
        yield server
    finally:
        server.stop()
