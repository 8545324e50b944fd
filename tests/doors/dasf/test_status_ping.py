"""The socket on which backend modules answer pings and describe themselves."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User

from dasf_broker import database
from dasf_broker.models import BrokerTopic
from dasf_broker.operations.caller import Caller
from dasf_broker.operations.heartbeat import ping
from tests.conftest import MakeUser
from tests.doors.dasf.conftest import OpenDasf
from tests.doors.dasf.frames import ask, fresh, is_error
from tests.doors.waiting import until_heard

pytestmark = pytest.mark.django_db(transaction=True)


def answer(kind: str = "pong", **properties: Any) -> dict[str, Any]:
    """Return the frame that a module sends, its context as text."""
    shared = {"messageType": kind, "requestContext": "1", "source_topic": "topic"}
    return {"properties": shared | properties, "context": "1", "payload": ""}


async def test_ping_and_pong(
    dasf: OpenDasf, topic: BrokerTopic, producer: User, consumer: User
) -> None:
    """A ping reaches the module; its answer makes the topic available."""
    module = await dasf("topic/module", consumer)
    await until_heard(topic)
    await database.write(ping, Caller(producer), "topic")
    received = await module.receive()
    assert received["properties"] == {
        "messageType": "ping",
        "requestContext": 1,
        "response_topic": "status-ping",
    }
    assert received["payload"] == ""
    assert (await database.read(fresh, topic)).availability is False
    socket = await dasf("status-ping", consumer)
    assert await ask(socket, answer()) == {"context": "1", "result": "ok"}
    answered = await database.read(fresh, topic)
    assert answered.availability is True
    assert answered.round_trip_time is not None


async def test_pong_is_no_message(dasf: OpenDasf, topic: BrokerTopic, consumer: User) -> None:
    """An answer is noted and not published."""
    assert (await ask(await dasf("status-ping", consumer), answer()))["result"] == "ok"
    noted = await database.read(fresh, topic)
    assert noted.last_pong is not None
    assert noted.last_sequence == 0


async def test_api_info(dasf: OpenDasf, topic: BrokerTopic, consumer: User) -> None:
    """The description is kept with the topic; the next one replaces it."""
    socket = await dasf("status-ping", consumer)
    for text, value in (('{"functions": ["add"]}', {"functions": ["add"]}), ("null", None)):
        assert (await ask(socket, answer("response", api_info=text)))["result"] == "ok"
        assert (await database.read(fresh, topic)).api_info == value


@pytest.mark.parametrize(
    "api_info",
    [{"a": 1}, 3, None, "", "{", '"\\u0000"', "[NaN]", '["\\ud800"]', "[" * 10_000],
    ids=lambda value: str(value)[:8],
)
async def test_broken_api_info(
    dasf: OpenDasf, topic: BrokerTopic, consumer: User, api_info: Any
) -> None:
    """What is not JSON as text, or what a database cannot keep, is refused."""
    socket = await dasf("status-ping", consumer)
    assert is_error(await ask(socket, answer("response", api_info=api_info)))
    assert (await database.read(fresh, topic)).api_info is None
    assert (await ask(socket, answer()))["result"] == "ok"


@pytest.mark.parametrize("source", [None, 1, "", "no slug", "nowhere", ["topic"]])
async def test_unknown_source(
    dasf: OpenDasf, topic: BrokerTopic, consumer: User, source: Any
) -> None:
    """An answer that names no topic that the module consumes is refused."""
    socket = await dasf("status-ping", consumer)
    assert is_error(await ask(socket, answer(source_topic=source)))
    assert (await ask(socket, answer()))["result"] == "ok"


@pytest.mark.parametrize("kind", ["pong", "response"])
async def test_rights(
    dasf: OpenDasf, topic: BrokerTopic, producer: User, make_user: MakeUser, kind: str
) -> None:
    """Only consumers answer."""
    for user in (producer, await database.write(make_user, "other"), None):
        socket = await dasf("status-ping", user)
        assert is_error(await ask(socket, answer(kind, api_info="{}")))
    unchanged = await database.read(fresh, topic)
    assert (unchanged.last_pong, unchanged.api_info) == (None, None)


async def test_wrong_token(dasf: OpenDasf, topic: BrokerTopic) -> None:
    """A wrong token is answered with an error."""
    assert is_error(await ask(await dasf("status-ping", authorization="Token x"), answer()))
