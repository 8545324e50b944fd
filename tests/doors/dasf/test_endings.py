"""How DASF sockets end: with a close frame only where the client should stay away.

The reference client comes back after a lost connection, and never after a close frame.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError

from dasf_broker.exceptions import BadInputError, RateLimitedError, UnavailableError
from dasf_broker.models import BrokerTopic
from dasf_broker.transports.websocket import dasf_protocol
from testproject.asgi import application
from tests.doors.dasf.frames import to
from tests.doors.sockets import DEADLINE

pytestmark = pytest.mark.django_db(transaction=True)


class Connection:
    """A socket of a server that lets applications close the connection, as uvicorn does."""

    def __init__(self) -> None:
        self.transport = self
        self.sent: list[dict[str, Any]] = []
        self.is_closed = False

    async def send(self, message: dict[str, Any]) -> None:
        """Note what the application sends."""
        assert not self.is_closed
        self.sent.append(message)

    def close(self) -> None:
        """End the connection, without a close frame."""
        self.is_closed = True

    def get_write_buffer_size(self) -> int:
        """Return that everything was taken."""
        return 0

    async def open(self, path: str, user: User, **headers: str) -> list[dict[str, Any]]:
        """Open a DASF socket; return what came behind the handshake, when it has ended."""
        options = await to(path, user, **headers)
        scope = {
            "type": "websocket",
            "path": options["path"],
            "headers": [(k.encode(), v.encode()) for k, v in options["headers"].items()],
            "extensions": {"websocket.http.response": {}},
        }
        events: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        events.put_nowait({"type": "websocket.connect"})
        async with asyncio.timeout(DEADLINE):
            await application(scope, events.get, self.send)
        assert self.sent[0]["type"] == "websocket.accept"
        return self.sent[1:]


@pytest.mark.parametrize("path", ["topic", "topic/me", "status-ping"])
@pytest.mark.parametrize(
    "error",
    [
        UnavailableError("no database"),
        OperationalError("no database"),
        RateLimitedError("too many"),
        RuntimeError("a mistake of ours"),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_a_client_that_should_come_back(
    topic: BrokerTopic,
    producer: User,
    monkeypatch: pytest.MonkeyPatch,
    path: str,
    error: Exception,
) -> None:
    """Its connection ends without a close frame."""
    connection = Connection()
    _fail_with(error, monkeypatch)
    assert await connection.open(path, producer) == []
    assert connection.is_closed


@pytest.mark.parametrize("path", ["topic", "topic/me", "status-ping"])
async def test_a_client_that_should_stay_away(
    topic: BrokerTopic, producer: User, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    """It gets a close frame: it would be refused for the same reason again."""
    connection = Connection()
    sent = await connection.open(path, producer, origin="https://elsewhere.example")
    assert [each["code"] for each in sent] == [4403]
    connection = Connection()
    _fail_with(BadInputError("wrong"), monkeypatch)
    assert [each["code"] for each in await connection.open(path, producer)] == [4400]
    assert not connection.is_closed


def _fail_with(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(dasf_protocol, "identify_socket", fail)
