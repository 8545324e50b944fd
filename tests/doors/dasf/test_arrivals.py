"""A backend module that connects is asked at once whether it answers."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from dasf_broker import database
from dasf_broker.models import BrokerTopic
from dasf_broker.operations.heartbeat import ping_topic
from dasf_broker.operations.subscriptions import consumer_log
from tests.doors.dasf.conftest import OpenDasf
from tests.doors.dasf.frames import acknowledge, fresh, publish, texts, until_true
from tests.doors.waiting import until_heard

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def pings_on_arrival() -> None:
    """Ping, as the broker does."""


@pytest.mark.parametrize("was_pinged", [True, False])
async def test_online_at_once(
    was_pinged: bool, dasf: OpenDasf, topic: BrokerTopic, consumer: User
) -> None:
    """Also if the topic was pinged just before, or not for long."""
    if was_pinged:
        await database.write(ping_topic, topic)
    socket = await dasf("topic/module", consumer)
    frame = await socket.receive()
    assert frame["properties"]["messageType"] == "ping"
    await acknowledge(socket, frame["messageId"])
    await until_true(lambda: fresh(topic).availability)


async def test_a_topic_that_is_online_is_not_pinged(
    dasf: OpenDasf, topic: BrokerTopic, producer: User, consumer: User
) -> None:
    """After a restart of the server, its modules come back all at once."""
    now = timezone.now()
    fields = {"last_ping": now - timedelta(seconds=2), "last_pong": now}
    await database.write(BrokerTopic.objects.update, **fields)
    socket = await dasf("topic/module", consumer)
    await publish(await dasf("topic", producer), "1")
    assert await texts(socket, 1) == ["1"]
    assert fields["last_ping"] == (await database.read(fresh, topic)).last_ping


async def test_one_ping_for_many(
    dasf: OpenDasf, topic: BrokerTopic, consumer: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a few seconds a topic is pinged once, whoever comes and goes."""
    monkeypatch.setattr(consumer_log, "PONG_STEP", 60.0)
    first = await dasf("topic/module", consumer)
    frame = await first.receive()
    pinged = (await database.read(fresh, topic)).last_ping
    others = [await dasf(f"topic/{number}", consumer) for number in range(5)]
    await until_heard(topic, by=6)
    assert await first.hears_nothing()
    assert (await database.read(fresh, topic)).last_ping == pinged
    assert frame["properties"]["messageType"] == "ping"
    await asyncio.gather(*(each.close() for each in others))


@pytest.mark.parametrize("fields", [{"supports_dasf": False}, {"is_public": True}])
async def test_a_topic_without_modules(
    fields: dict[str, bool],
    dasf: OpenDasf,
    topic: BrokerTopic,
    producer: User,
    consumer: User,
) -> None:
    """One that does not support them is not asked; all others are."""
    await database.write(BrokerTopic.objects.update, **fields)
    socket = await dasf("topic/module", consumer)
    await publish(await dasf("topic", producer), "1")
    received = {(await socket.receive())["properties"].get("messageType", "request")}
    if fields.get("supports_dasf", True):
        received.add((await socket.receive())["properties"].get("messageType", "request"))
        assert received == {"ping", "request"}
    else:
        assert received == {"request"}
        assert (await database.read(fresh, topic)).last_ping is None
