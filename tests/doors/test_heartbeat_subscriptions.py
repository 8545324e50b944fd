"""The subscriptions `pings`, `pongs` and `availability`."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from pytest_django import Settings

from dasf_broker import database
from dasf_broker.domain import availability
from dasf_broker.models import BrokerTopic
from tests.conftest import MakeTopic
from tests.doors.clients import GraphQLClient, HttpClient, is_refusal
from tests.doors.conftest import OpenSocket
from tests.doors.sockets import Socket
from tests.doors.waiting import until_heard

pytestmark = pytest.mark.django_db(transaction=True)

PING = 'mutation { pingTopic(topic: "topic") { pingedAt } }'
PONG = 'mutation { pongTopic(topic: "topic") { pongedAt roundTripTime } }'
PINGS = 'subscription { pings(topic: "topic") { topic { slug } pingedAt user { username } } }'
PONGS = """subscription { pongs(topic: "topic") {
  topic { slug } availability { status lastPing lastPong roundTripTime }
  pingedAt pongedAt roundTripTime user { username } } }"""
AVAILABILITY = """subscription { availability(topic: "topic") {
  status isOnline lastPing lastPong roundTripTime } }"""


@pytest.fixture
def caller() -> GraphQLClient:
    """Return who pings and answers, apart from the sockets that listen."""
    return HttpClient()


async def test_ping_is_answered(
    enter: OpenSocket, topic: BrokerTopic, producer: User, consumer: User
) -> None:
    """A consumer hears the ping and answers on the same socket; the producer hears the answer."""
    asks, answers = await enter(producer), await enter(consumer)
    await asks.subscribe(PONGS, id_="pongs")
    await answers.subscribe(PINGS, id_="pings")
    await until_heard(topic, by=2)
    await asks.subscribe(PING, id_="ping")
    pinged_at = (await asks.data("ping"))["pingedAt"]
    assert await asks.receive() == {"type": "complete", "id": "ping"}
    assert await answers.data("pings") == {
        "topic": {"slug": "topic"},
        "pingedAt": pinged_at,
        "user": {"username": "producer"},
    }
    await answers.subscribe(PONG, id_="pong")
    ponged = await answers.data("pong")
    assert ponged["roundTripTime"] > 0
    assert await asks.data("pongs") == {
        "topic": {"slug": "topic"},
        "availability": {
            "status": "ONLINE",
            "lastPing": pinged_at,
            "lastPong": ponged["pongedAt"],
            "roundTripTime": ponged["roundTripTime"],
        },
        "pingedAt": pinged_at,
        "pongedAt": ponged["pongedAt"],
        "roundTripTime": ponged["roundTripTime"],
        "user": {"username": "consumer"},
    }


async def test_backend_modules_hear_the_ping_too(
    enter: OpenSocket, topic: BrokerTopic, consumer: User, superuser: User, caller: GraphQLClient
) -> None:
    """A ping is also a message, for who names its type."""
    socket = await enter(consumer)
    await socket.subscribe(
        'subscription { messages(topic: "topic", messageTypes: [PING]) { properties cursor } }'
    )
    await until_heard(topic)
    await caller.value(PING, as_=superuser)
    assert await socket.data() == {
        "properties": {
            "messageType": "ping",
            "requestContext": 1,
            "response_topic": "status-ping",
        },
        "cursor": None,
    }


async def test_server_pings(enter: OpenSocket, topic: BrokerTopic, consumer: User) -> None:
    """Where nobody in person asked, the ping has no user."""
    socket = await enter(consumer)
    await socket.subscribe(PINGS)
    await until_heard(topic)
    await database.write(topic.ping)
    assert (await socket.data())["user"] is None


async def test_prompt_answer_shows_no_offline(
    enter: OpenSocket,
    topic: BrokerTopic,
    producer: User,
    consumer: User,
    caller: GraphQLClient,
) -> None:
    """The present value comes at once; between a ping and its prompt answer nothing does."""
    socket = await enter(producer)
    await socket.subscribe(AVAILABILITY)
    assert await _status(socket) == ("UNKNOWN", None)
    await until_heard(topic)
    for _ in range(3):
        await caller.value(PING, as_=producer)
        await caller.value(PONG, as_=consumer)
        assert await _status(socket) == ("ONLINE", True)
    assert await socket.hears_nothing()


async def test_present_value_of_an_online_topic(
    enter: OpenSocket,
    topic: BrokerTopic,
    producer: User,
    consumer: User,
    caller: GraphQLClient,
) -> None:
    """Who comes later is told what holds."""
    await caller.value(PING, as_=producer)
    ponged = await caller.value(PONG, as_=consumer)
    socket = await enter(producer)
    await socket.subscribe(AVAILABILITY)
    seen = await socket.data()
    assert (seen["status"], seen["lastPong"]) == ("ONLINE", ponged["pongedAt"])


async def test_silence_shows_as_offline_then_unknown(
    enter: OpenSocket,
    topic: BrokerTopic,
    producer: User,
    caller: GraphQLClient,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Who does not answer in time is offline; when the ping is old, nothing is known."""
    settings.DASF_PONG_GRACE = 0.1
    monkeypatch.setattr(availability, "UNKNOWN_AFTER", timedelta(seconds=2))
    socket = await enter(producer)
    await socket.subscribe(AVAILABILITY)
    assert await _status(socket) == ("UNKNOWN", None)
    await until_heard(topic)
    await caller.value(PING, as_=producer)
    assert await _status(socket) == ("OFFLINE", False)
    assert await _status(socket) == ("UNKNOWN", None)


async def test_late_answer_shows_as_online(
    enter: OpenSocket,
    topic: BrokerTopic,
    producer: User,
    consumer: User,
    caller: GraphQLClient,
    settings: Settings,
) -> None:
    """An answer counts however late it is."""
    settings.DASF_PONG_GRACE = 0.05
    socket = await enter(producer)
    await socket.subscribe(AVAILABILITY)
    assert await _status(socket) == ("UNKNOWN", None)
    await until_heard(topic)
    await caller.value(PING, as_=producer)
    assert await _status(socket) == ("OFFLINE", False)
    await caller.value(PONG, as_=consumer)
    assert await _status(socket) == ("ONLINE", True)


async def test_public_topic_is_watched_by_everybody(
    enter: OpenSocket, make_topic: MakeTopic
) -> None:
    """Nobody needs an account to watch a public topic."""
    await database.write(make_topic, "open", is_public=True)
    socket = await enter()
    await socket.subscribe('subscription { availability(topic: "open") { status isOnline } }')
    assert await _status(socket) == ("UNKNOWN", None)


@pytest.mark.parametrize(
    "query", [PINGS, PONGS, AVAILABILITY], ids=["pings", "pongs", "availability"]
)
async def test_deleted_topic_ends_the_subscription(
    enter: OpenSocket, topic: BrokerTopic, superuser: User, caller: GraphQLClient, query: str
) -> None:
    """When the topic is deleted, who listens is told."""
    socket = await enter(superuser)
    await socket.subscribe(query)
    await until_heard(topic)
    if query is AVAILABILITY:
        assert await _status(socket) == ("UNKNOWN", None)
    await caller.value('mutation { deleteTopic(topic: "topic") { slug } }', as_=superuser)
    [error] = await socket.error()
    assert is_refusal(error, "NOT_FOUND")


async def _status(socket: Socket) -> tuple[Any, Any]:
    seen = await socket.data()
    return seen["status"], seen["isOnline"]
