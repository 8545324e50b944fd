"""What a client sends is not held for as long as its socket or its subscription lasts."""

from __future__ import annotations

import gc
import json
import weakref
from typing import Any

import pytest
from django.contrib.auth.models import User

from dasf_broker import database
from dasf_broker.domain.envelope import Envelope
from dasf_broker.exceptions import PayloadTooLargeError
from dasf_broker.models import BrokerTopic
from dasf_broker.operations.subscriptions.hub_access import stored_messages
from dasf_broker.schema import served_schema
from dasf_broker.transports.connection.handshake import Handshake
from dasf_broker.transports.graphql.execution import GraphQLRequest, examine
from dasf_broker.transports.http import django_view
from dasf_broker.transports.websocket import dasf_protocol, graphql
from dasf_broker.transports.websocket.dasf_protocol import BATCH_CHARACTERS, DasfSocket
from tests.doors.clients import GraphQLClient, key_of
from tests.doors.conftest import OpenSocket, OpenStream, Publish
from tests.doors.dasf.frames import ask, message, to
from tests.doors.sockets import ClosedError, Socket

pytestmark = pytest.mark.django_db(transaction=True)

SUBSCRIPTION = 'subscription { availability(topic: "topic") { status } }'


class Held(dict[str, Any]):
    """A JSON object of which one can tell whether it is still there."""


class Memory:
    """Reads JSON, and knows what is left of it."""

    def __init__(self) -> None:
        self.read: list[weakref.ref[Any]] = []

    def __call__(self, text: str) -> Any:
        """Do as ``read_json``, and remember each object."""
        return json.loads(text, object_hook=self._hold)

    def _hold(self, value: dict[str, Any]) -> Held:
        held = Held(value)
        self.read.append(weakref.ref(held))
        return held

    def shake(self, scope: Any) -> Handshake:
        """Make a handshake, and remember it, too."""
        made = Handshake(scope)
        self.read.append(weakref.ref(made))
        return made

    def left(self) -> int:
        """Return how many of them are still there."""
        gc.collect()
        return sum(each() is not None for each in self.read)


async def test_introduction(
    open_socket: OpenSocket, producer: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it brought is dropped, and so is the handshake: both have a credential."""
    memory = Memory()
    monkeypatch.setattr(graphql, "read_json", memory)
    monkeypatch.setattr(graphql, "Handshake", memory.shake)
    key = f"Bearer {await key_of(producer)}"
    socket = await open_socket(headers={"authorization": key, "cookie": "sessionid=secret"})
    await socket.initialise({"Authorization": key})
    assert len(memory.read) == 3  # with the frame and its payload
    assert memory.left() == 0


async def test_refused_introduction(
    open_socket: OpenSocket, topic: BrokerTopic, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sockets of DASF stay open then: they keep neither the handshake nor what is sent."""
    memory = Memory()
    monkeypatch.setattr(dasf_protocol, "read_json", memory)
    monkeypatch.setattr(dasf_protocol, "Handshake", memory.shake)
    socket = await open_socket(**await to("topic", authorization="Token wrong"))
    for _ in range(3):
        assert "token is wrong" in (await ask(socket, message()))["result"]
    assert len(memory.read) == 7  # with the properties of each frame
    assert memory.left() == 0


async def test_frames_of_dasf(
    open_socket: OpenSocket, topic: BrokerTopic, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Few are read at a time where they are large, and none is held while it is answered."""
    memory, left = Memory(), []
    send_text = DasfSocket.send_text

    async def note(socket: DasfSocket, text: str) -> None:
        left.append(memory.left())
        await send_text(socket, text)

    monkeypatch.setattr(dasf_protocol, "read_json", memory)
    monkeypatch.setattr(DasfSocket, "send_text", note)
    socket = await open_socket(**await to("topic", authorization="Token wrong"))
    for _ in range(20):
        await socket.send(message("x" * (BATCH_CHARACTERS - 1000)))
    for _ in range(20):
        assert "token is wrong" in (await socket.receive())["result"]
    assert len(memory.read) == 40  # with their properties
    assert left == [0] * 20


async def test_variables_of_a_subscription(
    enter: OpenSocket, consumer: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that nobody declared are gone while it goes on; so is its frame."""
    memory = Memory()
    socket = await enter(consumer)
    monkeypatch.setattr(graphql, "read_json", memory)
    payload = {"query": SUBSCRIPTION, "variables": {"unknown": ["x"] * 100}}
    await socket.send({"type": "subscribe", "id": "1", "payload": payload})
    assert (await socket.receive())["type"] == "next"
    assert memory.read
    assert memory.left() == 0


def test_only_what_is_declared() -> None:
    """What an operation declares is kept."""
    query = "subscription ($topic: String!) { pings(topic: $topic) { pingedAt } }"
    request = GraphQLRequest(query, {"topic": "a", "other": "b"}, None)
    _, kept = examine(served_schema(), request)
    assert kept == GraphQLRequest(query, {"topic": "a"}, None)


async def test_variables_of_events(
    open_stream: OpenStream, topic: BrokerTopic, consumer: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is the same for server-sent events."""
    memory = Memory()
    monkeypatch.setattr(django_view, "read_json", memory)
    stream = await open_stream(SUBSCRIPTION, {"unknown": ["x"] * 100}, as_=consumer)
    await stream.value()
    assert memory.read
    assert memory.left() == 0


async def test_long_ids(enter: OpenSocket, consumer: User) -> None:
    """The id of an operation lives as long as it does, and is in each of its results."""
    socket: Socket = await enter(consumer)
    await socket.send({"type": "subscribe", "id": "x" * 257, "payload": {"query": SUBSCRIPTION}})
    with pytest.raises(ClosedError) as closed:
        await socket.receive()
    assert closed.value.code == 4400


async def test_api_info_is_read_where_it_is_asked_for(
    client: GraphQLClient, topic: BrokerTopic, producer: User, consumer: User, publish_text: Publish
) -> None:
    """And not with each topic and each of its messages: it may be long."""

    def describe() -> None:
        BrokerTopic.objects.filter(pk=topic.pk).update(api_info={"long": "text"})
        publish_text(producer, topic, "hello")

    await database.write(describe)
    [row] = await database.read(lambda: list(stored_messages(topic.pk)))
    assert "api_info" in row.topic.get_deferred_fields()
    loaded = await database.read(BrokerTopic.objects.with_response_info().get, pk=topic.pk)
    assert "api_info" in loaded.get_deferred_fields()
    query = '{ topic(slug: "topic") { apiInfo } }'
    assert await client.value(query, as_=consumer) == {"apiInfo": {"long": "text"}}


def test_numbers_that_grow() -> None:
    """PostgreSQL gives 9e307 back as 308 digits: they count as that many."""
    numbers = [9e307] * 100
    Envelope.parse({"properties": {"a": numbers}}, max_size=40_000)
    with pytest.raises(PayloadTooLargeError):
        Envelope.parse({"properties": {"a": numbers}}, max_size=30_000)
    with pytest.raises(PayloadTooLargeError):
        Envelope.parse({"properties": {"a": [1e-300] * 100}}, max_size=30_000)
    # What only looks like one: a text, part of an id, a payload.
    texts = ["3e+300", "0000003e-3000-0000-0000-000000000000"] * 10
    Envelope.parse({"properties": {"a": texts}, "payload": "1e+9" * 100}, max_size=1_200)
