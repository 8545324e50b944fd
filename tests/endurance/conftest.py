"""Servers whose vitals can be asked for."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http import HTTPStatus
from http.client import HTTPConnection

from tests.acceptance.servers import Server, Site
from tests.endurance.vitals import Vitals

#: Connections that the pools of PostgreSQL and Redis may have come to need since.
SPARE = 5


@contextmanager
def enduring(made: Site, *options: str, **environment: str) -> Iterator[Server]:
    """Run a server with ``/vitals`` beside the broker; it must have nothing to complain about."""
    settings = {"DJANGO_SETTINGS_MODULE": "tests.endurance.settings", **environment}
    application = "tests.endurance.asgi:application"
    with made.server(*options, application=application, port=None, **settings) as server:
        _ask(server, "/warm-up")
        yield server
    log = (made.folder / f"server-{server.port}.log").read_text()
    assert "Traceback" not in log, log


def vitals_of(server: Server, *, collected: bool = False) -> Vitals:
    """Return how a server is, perhaps after it collected its garbage."""
    return _ask(server, "/vitals?collected" if collected else "/vitals")


async def until(
    server: Server, is_well: Callable[[Vitals], bool], *, seconds: float = 30
) -> Vitals:
    """Return a server's vitals once they are well."""
    deadline = time.monotonic() + seconds
    while not is_well(vitals := await asyncio.to_thread(vitals_of, server)):
        assert time.monotonic() < deadline, repr(vitals)
        await asyncio.sleep(0.25)
    return vitals


def is_back_at(vitals: Vitals, base: Vitals) -> bool:
    """Tell whether a server holds no more than it did before. Memory is another matter."""
    return (
        vitals["sockets"] == vitals["topics"] == vitals["mailboxes"] == 0
        and vitals["waiting"] == vitals["unsent"] == 0
        and vitals["memberships"] <= 1  # the hub's own, by which it knows that it is heard
        and vitals["tasks"] <= base["tasks"]
        and vitals["descriptors"] <= base["descriptors"] + SPARE
        and vitals["threads"] <= base["threads"]
    )


def _ask(server: Server, path: str) -> Vitals:
    with closing(HTTPConnection("127.0.0.1", server.port, timeout=30)) as connection:
        connection.request("GET", path)
        response = connection.getresponse()
        assert response.status == HTTPStatus.OK
        vitals: Vitals = json.load(response)
    return vitals
