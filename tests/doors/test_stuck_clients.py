"""Clients that take nothing any more: their sockets are given up, on every door."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from django.contrib.auth.models import User
from pytest_django import Settings

from dasf_broker.models import BrokerTopic
from dasf_broker.runtime import current
from dasf_broker.transports.connection import send_timeout
from testproject.asgi import application
from tests.doors.clients import key_of
from tests.doors.conftest import OpenSocket, Publish
from tests.doors.dasf.frames import to
from tests.doors.sockets import DEADLINE, Socket
from tests.doors.waiting import until

pytestmark = pytest.mark.django_db(transaction=True)

MESSAGES = 'subscription { messages(topic: "topic") { text } }'


class Buffer(asyncio.Queue[dict[str, Any]]):
    """What a server has room for; like a protocol of uvicorn, it knows its transport."""

    def __init__(self, room: int) -> None:
        super().__init__(room)
        self.transport = self
        self.aborted = False

    def abort(self) -> None:
        """Drop the connection."""
        self.aborted = True


@pytest.fixture(autouse=True)
def _impatient(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give up soon."""
    settings.DASF_SEND_TIMEOUT = 0.2
    monkeypatch.setattr(send_timeout.SENDS, "interval", 0.02)


@pytest.mark.parametrize("protocol", ["graphql", "dasf"])
async def test_stuck_client_is_given_up(
    protocol: str,
    consumer: User,
    topic: BrokerTopic,
    producer: User,
    publish_text: Publish,
    hub_lifetime: None,
) -> None:
    """Its socket and its subscription end, and what is buffered is dropped."""
    for text in "abc":
        await asyncio.to_thread(publish_text, producer, topic, text)
    socket, buffer = await _open(protocol, consumer)
    await until(buffer.full)
    await _ended(socket)
    assert buffer.aborted
    assert not current().hub.topics
    assert current().sweeper.count(send_timeout.SENDS) == 0


async def test_quiet_client_is_kept(enter: OpenSocket, consumer: User) -> None:
    """A client to whom nothing is sent is not stuck, however long it says nothing."""
    socket: Socket = await enter(consumer)
    assert await socket.hears_nothing(seconds=0.5)
    await socket.send({"type": "ping"})
    assert await socket.receive() == {"type": "pong"}


async def test_servers_without_a_transport(consumer: User, hub_lifetime: None) -> None:
    """Where the server does not let us abort, the socket is left all the same."""
    socket = Socket(application, **await to("topic/backend", consumer))
    socket._from_server = asyncio.Queue(1)
    await socket.open()
    await socket._from_server.put({})
    await socket.send("not an object")
    await _ended(socket)


async def _open(protocol: str, user: User) -> tuple[Socket, Buffer]:
    if protocol == "dasf":
        socket, room = Socket(application, **await to("topic/backend", user)), 2
    else:
        socket, room = Socket(application), 3
    socket._from_server = buffer = Buffer(room)
    await socket.open()
    buffer.put_nowait({"type": "keeps room"})
    if protocol == "graphql":
        await socket.send(
            {
                "type": "connection_init",
                "payload": {"Authorization": f"Bearer {await key_of(user)}"},
            }
        )
        await socket.subscribe(MESSAGES)
    return socket, buffer


async def _ended(socket: Socket) -> None:
    assert socket._task is not None
    async with asyncio.timeout(DEADLINE):
        await socket._task
