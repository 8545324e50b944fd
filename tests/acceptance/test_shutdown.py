"""A server that is told to end does so within ten seconds, and loses nothing by it."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from tests.acceptance.clients import http_client
from tests.acceptance.load import FAILURES, PUBLISH, load
from tests.acceptance.outages import locked, stalled_reader
from tests.acceptance.servers import Server, Site, site

#: The promise, in seconds.
PROMISED = 10.0

TOPICS = {"topic": {"store_messages": "store"}}
PEOPLE = {"producer": ["can_produce"], "reader": ["can_consume"]}

#: So large that some of them fill all buffers on the way to a client that does not read.
LARGE = "x" * 50_000


@pytest.fixture
def made(tmp_path: Path) -> Iterator[tuple[Site, dict[str, str]]]:
    """Return a site on the backend of this run, and people's keys."""
    with site(tmp_path) as made:
        yield made, made.prepare(TOPICS, PEOPLE)


async def test_nothing_is_lost(made: tuple[Site, dict[str, str]]) -> None:
    """With publishers, subscribers, and a reader who takes nothing any more."""
    running, keys = made
    with running.server() as first:
        async with stalled_reader(first, keys["reader"]), load([first], keys, text=LARGE) as busy:
            await busy.until_more_is_answered(150)  # more than fits between it and the server
            with running.server() as second:
                seconds, status = await end(first)
                busy.servers[:] = [second]
                await busy.until_more_is_answered()
                busy.end()
                await busy.check(running)
    assert seconds < PROMISED
    # Uvicorn's own way to end well: it raises the signal again when everything is done.
    assert status == -signal.SIGTERM
    assert 1012 in busy.codes
    assert set(busy.codes) <= {1012, None}


async def test_with_nothing_to_do(made: tuple[Site, dict[str, str]]) -> None:
    """An idle server with an idle client ends too, and says so to the client."""
    running, keys = made
    with running.server() as server:
        async with load([server], keys, publishers=1) as busy:
            busy.end()
            seconds, status = await end(server)
            await busy.until(lambda: busy.codes)
        assert "Traceback" not in (running.folder / f"server-{server.port}.log").read_text()
    assert (seconds < PROMISED, status, busy.codes[0]) == (True, -signal.SIGTERM, 1012)


async def test_with_a_locked_database(made: tuple[Site, dict[str, str]]) -> None:
    """A publish that waits for it does not keep the server."""
    running, keys = made
    with running.server() as server:
        async with http_client(server, keys["producer"]) as http:
            with locked(running):
                publishing = asyncio.create_task(http.execute(PUBLISH, id=str(uuid4()), text="x"))
                await asyncio.wait([publishing], timeout=1)  # it is on its way, or will be
                seconds, status = await end(server)
            with pytest.raises(FAILURES):
                await publishing
    assert (seconds < PROMISED, status) == (True, -signal.SIGTERM)


async def end(server: Server) -> tuple[float, int]:
    """End a server; return how many seconds it took, and its exit status."""
    begun = time.monotonic()
    status = await asyncio.to_thread(server.stop)
    return time.monotonic() - begun, status
