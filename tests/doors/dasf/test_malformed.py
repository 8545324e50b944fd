"""Broken frames get a result that contains "error", and the socket goes on."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.contrib.auth.models import User

from dasf_broker import database
from dasf_broker.models import BrokerMessage, BrokerTopic
from dasf_broker.permissions import Right, grant
from tests.doors.dasf.conftest import OpenDasf
from tests.doors.dasf.frames import ask, is_error, message
from tests.doors.sockets import Socket

pytestmark = pytest.mark.django_db(transaction=True)

NOT_OBJECTS = ["", "{", "nul", "[]", '"text"', "1", "null", "true", "[" * 100_000, "\x00"]

#: What makes a good message a bad one.
BAD_PARTS: list[dict[str, Any]] = [
    {"messageId": "no uuid"},
    {"messageId": 5},
    {"messageId": ["6f1c1c1e-8f6e-4c8c-8c55-0c1f0a3b2c1d"]},
    {"properties": "text"},
    {"properties": [1]},
    {"properties": {"messageType": "shout"}},
    {"properties": {"messageType": ["request"]}},
    {"properties": {"response_topic": "no slug"}},
    {"properties": {"response_topic": {"a": 1}}},
    {"properties": {"response_topic": "x" * 129}},
    {"properties": {"own": "\0"}},
    {"properties": {"own": "\ud800"}},
    {"properties": {"own": float("nan")}},
    {"properties": {"fragment": 2, "num_fragments": 2}},
    {"properties": {"fragment": -1, "num_fragments": 2}},
    {"properties": {"fragment": 0}},
    {"properties": {"num_fragments": 3}},
    {"properties": {"fragment": "0", "num_fragments": "2"}},
    {"properties": {"fragment": True, "num_fragments": 2}},
    {"payload": 5},
    {"payload": {"a": 1}},
    {"payload": "not base64!"},
    {"payload": "YQ"},
    {"context": "seven"},
    {"context": 1.5},
    {"context": 2**63},
    {"context": {"a": 1}},
]


@pytest.fixture
def both(topic: BrokerTopic, consumer: User) -> User:
    """Return a user who may publish and consume."""
    grant(consumer, topic, Right.PRODUCE)
    return consumer


async def is_usable(socket: Socket, path: str) -> bool:
    """Tell whether a good frame does what it should; drop what else comes."""
    if path == "topic/a":
        good: dict[str, Any] = {"messageId": "no uuid"}  # good ones are not answered here
        return is_error(await ask(socket, good))
    properties = {"source_topic": "topic", "messageType": "pong"}
    return not is_error(await ask(socket, message(properties=properties)))


@pytest.mark.parametrize("path", ["topic", "topic/a", "status-ping"])
@pytest.mark.parametrize("text", NOT_OBJECTS, ids=lambda text: repr(text)[:10])
async def test_not_an_object(
    dasf: OpenDasf, topic: BrokerTopic, both: User, path: str, text: str
) -> None:
    """What is not a JSON object is answered, on each of the sockets."""
    socket = await dasf(path, both)
    await socket.send_text(text)
    answer = await socket.receive()
    assert is_error(answer)
    assert answer.keys() == {"result"}
    assert await is_usable(socket, path)


@pytest.mark.parametrize("path", ["topic", "topic/a", "status-ping"])
async def test_binary_frame(dasf: OpenDasf, topic: BrokerTopic, both: User, path: str) -> None:
    """The protocol has text frames only."""
    socket = await dasf(path, both)
    await socket.send_bytes(b"\xff\x00")
    assert is_error(await socket.receive())
    assert await is_usable(socket, path)


@pytest.mark.parametrize("parts", BAD_PARTS, ids=lambda parts: json.dumps(parts)[:48])
async def test_bad_message(
    dasf: OpenDasf, topic: BrokerTopic, producer: User, parts: dict[str, Any]
) -> None:
    """A message with a wrong part is refused with what it can be recognised by."""
    socket = await dasf("topic", producer)
    frame = message(**{"context": 4, **parts})
    answer = await ask(socket, frame)
    assert is_error(answer)
    assert (answer["messageId"], answer["context"]) == (frame["messageId"], frame["context"])
    assert await database.read(BrokerMessage.objects.count) == 0
    assert (await ask(socket, message()))["result"] == "ok"


@pytest.mark.parametrize("frame", [{}, {"messageId": None}, {"messageId": 3}, {"messageId": {}}])
async def test_bad_acknowledgement(
    dasf: OpenDasf, topic: BrokerTopic, consumer: User, frame: dict[str, Any]
) -> None:
    """An acknowledgement of nothing is refused."""
    socket = await dasf("topic/a", consumer)
    assert is_error(await ask(socket, frame))


async def test_neighbours_of_a_bad_frame(
    dasf: OpenDasf, topic: BrokerTopic, producer: User
) -> None:
    """A frame that cannot be read fails none of those that are dealt with beside it."""
    socket = await dasf("topic", producer)
    for text in (json.dumps(message()), "[]", json.dumps(message())):
        await socket.send_text(text)
    answers = [await socket.receive() for _ in range(3)]
    assert [is_error(each) for each in answers] == [False, True, False]
    assert await database.read(BrokerMessage.objects.count) == 2
