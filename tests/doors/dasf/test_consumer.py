"""The consumer's socket: what is outstanding, then what comes, until it is acknowledged."""

from __future__ import annotations

from datetime import datetime

import pytest
from django.contrib.auth.models import User
from pytest_django import Settings

from dasf_broker import database
from dasf_broker.models import BrokerMessage, BrokerTopic
from dasf_broker.operations.caller import Caller
from dasf_broker.operations.subscriptions import retry
from dasf_broker.operations.topics import delete_topic, grant_permission
from dasf_broker.permissions import Right, grant
from testproject.asgi import application
from tests.conftest import MakeTopic, MakeUser
from tests.doors.dasf.conftest import OpenDasf
from tests.doors.dasf.frames import (
    acknowledge,
    ask,
    is_error,
    message,
    publish,
    texts,
    to,
    until_true,
)
from tests.doors.sockets import connect
from tests.doors.waiting import until_heard
from tests.operations.helpers import restore

pytestmark = pytest.mark.django_db(transaction=True)

NAME = "backend-module-2026-01-01T10:00:00.123456"


async def test_delivered_as_it_was_sent(
    dasf: OpenDasf, topic: BrokerTopic, producer: User, consumer: User
) -> None:
    """A consumer gets the envelope, with its id and when it was published."""
    socket = await dasf(f"topic/{NAME}", consumer)
    frame = message("hello", properties={"messageType": "request", "own": "x"}, context=3)
    await ask(await dasf("topic", producer), frame)
    received = await socket.receive()
    row = await database.read(BrokerMessage.objects.get)
    assert datetime.fromisoformat(received.pop("publishTime")) == row.date_created
    assert received == frame


async def test_outstanding_then_live(
    dasf: OpenDasf, topic: BrokerTopic, producer: User, consumer: User
) -> None:
    """What waited comes first, then what is published, each once and in order."""
    source = await dasf("topic", producer)
    await publish(source, "1", "2")
    socket = await dasf(f"topic/{NAME}", consumer)
    assert await texts(socket, 2) == ["1", "2"]
    await publish(source, "3", "x" * 100_000)
    assert await texts(socket, 2) == ["3", "x" * 100_000]
    assert await socket.hears_nothing()


async def test_two_subscriptions(
    dasf: OpenDasf, topic: BrokerTopic, producer: User, consumer: User
) -> None:
    """Every subscription of a user gets every message."""
    sockets = [await dasf(f"topic/{name}", consumer) for name in ("one", "two")]
    await publish(await dasf("topic", producer), "1")
    assert [await texts(socket, 1) for socket in sockets] == [["1"], ["1"]]


async def test_acknowledged(
    dasf: OpenDasf, topic: BrokerTopic, producer: User, consumer: User
) -> None:
    """An acknowledged message is gone, and nobody is told; acknowledging it twice is fine."""
    [first, second] = await publish(await dasf("topic", producer), "1", "2")
    socket = await dasf("topic/a", consumer)
    assert await texts(socket, 2) == ["1", "2"]
    await acknowledge(socket, first)
    await acknowledge(socket, first)
    await until_true(lambda: BrokerMessage.objects.count() == 1)
    assert await socket.hears_nothing()
    await socket.close()
    again = await dasf("topic/b", consumer)
    assert (await again.receive())["messageId"] == second


async def test_acknowledged_while_leaving(
    topic: BrokerTopic, dasf: OpenDasf, producer: User, consumer: User
) -> None:
    """An acknowledgement counts even if the client goes right after it."""
    ids = await publish(await dasf("topic", producer), *"abcde")
    async with connect(application, **await to("topic/a", consumer)) as socket:
        await texts(socket, 5)
        for each in ids:
            await acknowledge(socket, each)
    await until_true(lambda: not BrokerMessage.objects.exists())


async def test_before_the_topic_exists(
    dasf: OpenDasf, topic: BrokerTopic, producer: User, consumer: User
) -> None:
    """A client listens for the answers before its first request creates the topic for them."""
    answers = await dasf("topic_AbC/python-backend", producer)
    module = await dasf("topic/module", consumer)
    request = message(properties={"response_topic": "topic_AbC"})
    assert (await ask(await dasf("topic", producer), request))["result"] == "ok"
    assert (await module.receive())["properties"]["response_topic"] == "topic_AbC"
    await publish(await dasf("topic_AbC", consumer), "42", kind="response")
    assert await texts(answers, 1) == ["42"]


@pytest.mark.parametrize("kind", ["forbidden", "hidden", "missing"])
async def test_silent_until_it_may_consume(
    dasf: OpenDasf, make_topic: MakeTopic, superuser: User, stranger: User, kind: str
) -> None:
    """Missing, hidden and forbidden topics are alike: nothing is heard until all is right."""

    def make() -> None:
        make_topic("later", is_public=kind == "forbidden")

    if kind != "missing":
        await database.write(make)
    socket = await dasf("later/a", stranger)
    assert await socket.hears_nothing()
    source = await dasf("later", superuser)
    await publish(source, "1")
    assert await socket.hears_nothing()
    await database.write(
        grant_permission, Caller(superuser), "later", Right.CONSUME, username="stranger", group=None
    )
    assert await texts(socket, 1) == ["1"]


async def test_topic_that_nobody_announced(
    dasf: OpenDasf,
    topic: BrokerTopic,
    producer: User,
    stranger: User,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A right that was given past the broker is found by looking."""
    monkeypatch.setattr("dasf_broker.operations.subscriptions.consumers.LOOK_INTERVAL", 0.02)
    await publish(await dasf("topic", producer), "1")
    socket = await dasf("topic/a", stranger)
    assert await socket.hears_nothing()
    await database.write(grant, stranger, topic, Right.CONSUME)
    assert await texts(socket, 1) == ["1"]


async def test_topic_is_deleted_and_comes_back(
    dasf: OpenDasf,
    topic: BrokerTopic,
    superuser: User,
    consumer: User,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The socket outlives its topic and serves the next one of that name."""
    monkeypatch.setattr(retry, "PAUSE", 0.02)
    socket = await dasf("topic/a", consumer)
    await until_heard(topic)
    await database.write(delete_topic, Caller(superuser), "topic")
    await publish(await dasf("topic", superuser), "1")
    assert await socket.hears_nothing()
    await database.write(
        grant_permission, Caller(superuser), "topic", Right.CONSUME, username="consumer", group=None
    )
    assert await texts(socket, 1) == ["1"]


async def test_the_database_goes_back(
    dasf: OpenDasf,
    topic: BrokerTopic,
    producer: User,
    consumer: User,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The socket outlives that, too, and gets all that the restored database has."""
    settings.DASF_LOOK_INTERVAL = 0.02
    monkeypatch.setattr(retry, "PAUSE", 0.02)
    source, socket = await dasf("topic", producer), await dasf("topic/a", consumer)
    await publish(source, "1", "2", "3")
    assert await texts(socket, 3) == ["1", "2", "3"]
    await database.write(restore, topic, 1)
    assert await texts(socket, 1) == ["1"]
    await publish(source, "4")
    assert await texts(socket, 1) == ["4"]


@pytest.mark.parametrize("who", ["wrong token", "producer", "nobody"])
async def test_refused_acknowledgement(
    dasf: OpenDasf, topic: BrokerTopic, producer: User, who: str
) -> None:
    """Who may not consume hears nothing, and their acknowledgements are errors."""
    [message_id] = await publish(await dasf("topic", producer), "1")
    headers = {"authorization": "Token wrong"} if who == "wrong token" else {}
    socket = await dasf("topic/a", producer if who == "producer" else None, **headers)
    assert await socket.hears_nothing()
    answer = await ask(socket, {"messageId": message_id})
    assert is_error(answer)
    assert answer["messageId"] == message_id
    assert await database.read(BrokerMessage.objects.count) == 1


async def test_name_that_can_never_be(dasf: OpenDasf, superuser: User) -> None:
    """A topic whose name is too long is waited for in vain, on a socket that still answers."""
    socket = await dasf(f"{'x' * 129}/a", superuser)
    assert await socket.hears_nothing()
    assert is_error(await ask(socket, {"messageId": "6f1c1c1e-8f6e-4c8c-8c55-0c1f0a3b2c1d"}))


async def test_every_consumer_counts(
    dasf: OpenDasf, topic: BrokerTopic, producer: User, consumer: User, make_user: MakeUser
) -> None:
    """Under `cacheall` a message stays until each consumer acknowledged it."""

    def keep_for_all() -> User:
        BrokerTopic.objects.filter(pk=topic.pk).update(store_messages="cacheall")
        return make_user("second", topic, Right.CONSUME)

    second = await database.write(keep_for_all)
    [message_id] = await publish(await dasf("topic", producer), "1")
    sockets = [await dasf("topic/a", user) for user in (consumer, second)]
    for socket in sockets:
        await texts(socket, 1)
    await acknowledge(sockets[0], message_id)
    row = await database.read(BrokerMessage.objects.get)
    await until_true(lambda: row.delivered_to.count() == 1)
    await acknowledge(sockets[1], message_id)
    await until_true(lambda: not BrokerMessage.objects.exists())
