"""Answers over HTTP that nobody reads: they are sent in pieces, and not kept for ever."""

from __future__ import annotations

import asyncio
import gc
import json
import tracemalloc
from collections.abc import AsyncIterator, MutableMapping
from typing import Any

import pytest
from django.http import HttpResponse
from pytest_django import Settings

from dasf_broker.routing import broker_application
from dasf_broker.runtime import current
from dasf_broker.transports.connection import send_timeout
from dasf_broker.transports.http import django_view
from dasf_broker.transports.http.responses import PIECE, send_response
from testproject.asgi import django_application
from tests.doors.sockets import DEADLINE
from tests.doors.waiting import until

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("django_thread", "hub_lifetime"),
]

#: As in asyncio: a writer waits while the buffer has more than the first, until it has less.
HIGH, LOW = 64 * 1024, 16 * 1024


class Connection:
    """A connection of a server like uvicorn, whose client reads as much as it is told."""

    def __init__(self) -> None:
        self.transport = self
        self.buffer = bytearray()
        self.most = 0
        self.read = bytearray()
        self.aborted = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()

    async def send(self, message: MutableMapping[str, Any]) -> None:
        """Wait for room, and keep what is sent."""
        await self._writable.wait()
        if self.aborted.is_set():
            return
        self.buffer += message.get("body", b"")
        self.most = max(self.most, len(self.buffer))
        if len(self.buffer) > HIGH:
            self._writable.clear()

    async def receive(self) -> dict[str, Any]:
        """Say that the client is gone, once it is."""
        await self.aborted.wait()
        return {"type": "http.disconnect"}

    def take(self, size: int) -> None:
        """Read as the client."""
        self.read += self.buffer[:size]
        del self.buffer[:size]
        if len(self.buffer) <= LOW:
            self._writable.set()

    def get_write_buffer_size(self) -> int:
        """Return what is not read."""
        return len(self.buffer)

    def abort(self) -> None:
        """Drop the connection."""
        self.buffer.clear()
        self.aborted.set()
        self._writable.set()


@pytest.fixture(autouse=True)
async def _impatient(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """Give up soon, and leave nothing behind."""
    settings.DASF_SEND_TIMEOUT = 0.3
    monkeypatch.setattr(send_timeout.SENDS, "interval", 0.02)
    yield
    await until(lambda: current().sweeper.count(send_timeout.SENDS) == 0)


SIZES = [0, 1, HIGH, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE, 10 * PIECE + 7]


class ClosedConnection(Connection):
    """A connection that the server has closed."""

    def is_closing(self) -> bool:
        """Say so."""
        return True

    async def send(self, message: MutableMapping[str, Any]) -> None:
        """Fail as uvloop does."""
        raise RuntimeError(f"the handler is closed: {message['type']}")


@pytest.mark.parametrize("size", SIZES)
async def test_pieces(size: int) -> None:
    """A client that reads gets all of it, and the server keeps about a piece."""
    connection = Connection()
    sending = asyncio.create_task(_send_body(size, connection))
    while not sending.done():
        connection.take(HIGH)
        await asyncio.sleep(0)
    await sending
    connection.take(PIECE)
    assert len(connection.read) == size
    assert connection.most <= PIECE + HIGH
    assert not connection.aborted.is_set()


@pytest.mark.parametrize("size", SIZES[1:])
async def test_client_that_reads_nothing(size: int) -> None:
    """It is dropped, and its answer is freed before that, but for a piece or two."""
    connection = Connection()
    await asyncio.wait_for(_send_body(size, connection), DEADLINE)
    assert connection.aborted.is_set()
    assert connection.most <= PIECE + HIGH
    assert not connection.buffer


@pytest.mark.parametrize("size", SIZES[1:])
async def test_client_that_stops_reading(size: int) -> None:
    """It does not matter how much it read before."""
    connection = Connection()
    sending = asyncio.create_task(_send_body(size, connection))
    await asyncio.sleep(0.05)
    connection.take(size // 2)
    await asyncio.wait_for(sending, DEADLINE)
    assert connection.aborted.is_set() == bool(size - len(connection.read))


async def test_slow_client_is_kept() -> None:
    """As long as it reads a piece within the timeout, it may take its time."""
    connection = Connection()
    size = 6 * PIECE
    sending = asyncio.create_task(_send_body(size, connection))
    while not sending.done():
        await asyncio.sleep(0.05)
        connection.take(PIECE)
    assert len(connection.read) + len(connection.buffer) == size
    assert not connection.aborted.is_set()


async def test_answer_behind_an_unread_one() -> None:
    """A pipelined request whose small answer has no room waits no longer than a large one."""
    connection = Connection()
    connection.buffer += b"x" * HIGH
    connection._writable.clear()
    await asyncio.wait_for(_send_body(10, connection), DEADLINE)
    assert connection.aborted.is_set()


@pytest.mark.parametrize("size", [1, 3 * PIECE])
async def test_answer_for_a_connection_that_was_closed(size: int) -> None:
    """Nothing is sent to it, which a server would not take."""
    connection = ClosedConnection()
    async with asyncio.timeout(DEADLINE):
        await send_response(HttpResponse(b"x" * size), connection.send)
    assert not connection.buffer


async def test_answer_of_a_stalled_client_is_freed() -> None:
    """Nothing of it is left once the connection is dropped, though the response may be."""
    connection, size = Connection(), 40 * PIECE
    tracemalloc.start()
    try:
        response = HttpResponse(b"x" * size)
        before, _ = tracemalloc.get_traced_memory()
        assert before > size
        await asyncio.wait_for(send_response(response, connection.send), DEADLINE)
        gc.collect()
        after, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after < size / 10
    assert most < size * 1.2
    assert response.content == b""


@pytest.mark.parametrize("through_middleware", [False, True])
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_every_answer_of_the_endpoint(
    method: str, through_middleware: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether we answer or Django does: a client that reads nothing is dropped."""
    large = HttpResponse(b"x" * 8 * PIECE)

    async def answer(*_: Any, **__: Any) -> HttpResponse:
        return large

    monkeypatch.setattr(django_view.GraphQLView, method.lower(), answer)
    connection = Connection()
    application = broker_application(django_application, through_middleware=through_middleware)
    body = iter([json.dumps({"query": "{ __typename }"}).encode()])

    async def receive() -> dict[str, Any]:
        if (chunk := next(body, None)) is not None:
            return {"type": "http.request", "body": chunk, "more_body": False}
        return await connection.receive()

    await asyncio.wait_for(application(_scope(method), receive, connection.send), DEADLINE)
    assert connection.aborted.is_set()
    assert connection.most <= PIECE + HIGH


def _scope(method: str) -> dict[str, Any]:
    headers = {"host": "testserver", "content-type": "application/json"}
    return {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "path": "/graphql/",
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }


async def _send_body(size: int, connection: Connection) -> None:
    await send_response(HttpResponse(b"x" * size), connection.send)
