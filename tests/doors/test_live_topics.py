"""Topics are renamed and deleted under their live subscribers, at all doors."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User

from dasf_broker import apublish, database, subscribe
from dasf_broker.exceptions import NotFoundError
from dasf_broker.models import BrokerMessage, BrokerTopic
from dasf_broker.operations.caller import Caller
from dasf_broker.operations.heartbeat import ping
from dasf_broker.operations.storage import deletion
from dasf_broker.operations.subscriptions import retry
from dasf_broker.operations.topics import delete_topic
from dasf_broker.permissions import Right, grant
from dasf_broker.runtime import current
from tests.doors.clients import is_refusal
from tests.doors.conftest import OpenSocket, OpenStream
from tests.doors.dasf.frames import acknowledge, to, until_true
from tests.doors.sockets import DEADLINE, Socket
from tests.doors.waiting import until, until_heard

pytestmark = pytest.mark.django_db(transaction=True)

MESSAGES = """
subscription { messages(topic: "topic") { text missed topic { slug } } }
"""
OTHERS = {
    "pings": 'subscription { pings(topic: "topic") { pingedAt } }',
    "pongs": 'subscription { pongs(topic: "topic") { pongedAt } }',
    "availability": 'subscription { availability(topic: "topic") { status } }',
}

Delete = Callable[[User], None]


def _rename() -> None:
    BrokerTopic.objects.filter(slug="topic").update(slug="renamed")


def _by_operation(superuser: User) -> None:
    delete_topic(Caller(superuser), BrokerTopic.objects.get().slug)


def _by_host(_: User) -> None:
    BrokerTopic.objects.get().delete()


def _by_host_in_bulk(_: User) -> None:
    BrokerTopic.objects.all().delete()


@pytest.fixture(autouse=True)
def _no_fault(caplog: pytest.LogCaptureFixture) -> Any:
    """See that nothing is logged as a fault of ours."""
    with caplog.at_level(logging.WARNING, logger="dasf_broker"):
        yield
    faults = [each for each in caplog.records if each.name.startswith("dasf_broker")]
    assert faults == [], [each.getMessage() for each in faults]


@pytest.fixture(params=[False, True], ids=["removed at once", "removed in steps"])
def _steps(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Delete a topic that is small, and one that is large."""
    if request.param:
        monkeypatch.setattr(deletion, "STEP", 1)


@pytest.mark.parametrize("delete", [_by_operation, _by_host, _by_host_in_bulk])
@pytest.mark.usefixtures("_steps")
async def test_messages(
    delete: Delete,
    enter: OpenSocket,
    open_socket: OpenSocket,
    open_stream: OpenStream,
    topic: BrokerTopic,
    superuser: User,
    consumer: User,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Messages go on under the new name; then each is told that the topic is gone."""
    monkeypatch.setattr(retry, "PAUSE", 0.02)
    await database.write(_store_all)
    graphql, stream = await enter(consumer), await open_stream(MESSAGES, as_=consumer)
    await graphql.subscribe(MESSAGES)
    dasf: Socket = await open_socket(**await to("topic/module", consumer))
    async with subscribe("topic", user=consumer) as python:
        waiting = asyncio.ensure_future(anext(python))
        await until_heard(topic, by=4)
        await database.write(_rename)
        await apublish("renamed", text="hello")
        expected = {"text": "hello", "missed": 0, "topic": {"slug": "renamed"}}
        assert await graphql.data() == expected
        assert await stream.value() == expected
        received = await asyncio.wait_for(waiting, DEADLINE)
        assert (received.topic, received.text) == ("renamed", "hello")
        await acknowledge(dasf, (await _received(dasf))["messageId"])
        await until_true(BrokerMessage.objects.filter(delivered_to__isnull=False).exists)

        await database.write(delete, superuser)
        [error] = await graphql.error()
        assert is_refusal(error, "NOT_FOUND")
        assert is_refusal(await stream.error(), "NOT_FOUND")
        await stream.ended()
        with pytest.raises(NotFoundError):
            await asyncio.wait_for(anext(python), DEADLINE)
    await until(lambda: topic.pk not in current().hub.topics)
    await database.write(_make_again, consumer)
    await apublish("topic", text="again")
    assert (await _received(dasf))["payload"]


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("delete", [_by_operation, _by_host, _by_host_in_bulk])
async def test_the_heartbeat(
    name: str, delete: Delete, enter: OpenSocket, topic: BrokerTopic, superuser: User
) -> None:
    """Pings, pongs and the availability, too."""
    socket = await enter(superuser)
    await socket.subscribe(OTHERS[name])
    await until_heard(topic)
    await database.write(_rename)
    await database.write(ping, Caller(superuser), "renamed")
    if name != "pongs":
        assert await socket.data()
    await database.write(delete, superuser)
    while (frame := await socket.receive())["type"] == "next":
        pass
    assert is_refusal(frame["payload"][0], "NOT_FOUND")


async def _received(dasf: Socket) -> dict[str, Any]:
    """Return the next message; a module that connects is pinged, too."""
    while (frame := await dasf.receive())["properties"].get("messageType") == "ping":
        pass
    return frame


def _store_all() -> None:
    BrokerTopic.objects.update(store_messages="store")


def _make_again(consumer: User) -> None:
    grant(consumer, BrokerTopic.objects.create(slug="topic"), Right.CONSUME)
