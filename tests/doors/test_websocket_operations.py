"""Several operations on one websocket: none waits for, or suffers from, another."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from django.contrib.auth.models import User
from pytest_django import Settings

from dasf_broker import database
from dasf_broker.models import BrokerTopic
from dasf_broker.operations.access import access
from dasf_broker.runtime import current
from tests.doors.clients import is_refusal
from tests.doors.conftest import OpenSocket, Publish
from tests.doors.sockets import DEADLINE
from tests.doors.waiting import until, until_heard

pytestmark = pytest.mark.django_db(transaction=True)

VIEWER = "{ viewer { username } }"
MESSAGES = 'subscription { messages(topic: "topic") { text } }'
PINGS = 'subscription { pings(topic: "topic") { pingedAt } }'


@pytest.mark.parametrize("wrong", ["{", "{ unknown }", "subscription { messages }", "#"])
async def test_wrong_document_ends_only_itself(
    enter: OpenSocket,
    topic: BrokerTopic,
    producer: User,
    consumer: User,
    publish_text: Publish,
    wrong: str,
) -> None:
    """An invalid document is an `error` frame; its siblings live on."""
    socket = await enter(consumer)
    await socket.subscribe(MESSAGES, id_="live")
    await socket.subscribe(wrong, id_="wrong")
    errors = await socket.error("wrong")
    assert all(is_refusal(error, "BAD_INPUT") for error in errors)
    await database.write(publish_text, producer, topic, "still there")
    assert await socket.data("live") == {"text": "still there"}


async def test_error_while_executing_is_a_result(enter: OpenSocket) -> None:
    """What was executed is a `next` with errors, then `complete`."""
    socket = await enter()
    await socket.subscribe('{ topic(slug: "missing") { slug } viewer { username } }')
    result = await socket.next()
    assert result["data"] == {"topic": None, "viewer": {"username": None}}
    assert result["errors"][0]["path"] == ["topic"]
    assert await socket.receive() == {"type": "complete", "id": "1"}


async def test_operations_are_concurrent(
    enter: OpenSocket, superuser: User, topic: BrokerTopic, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slow query holds up no other."""
    goes_on = threading.Event()

    def slow_access(*args: Any, **kwargs: Any) -> Any:
        assert goes_on.wait(DEADLINE)
        return access(*args, **kwargs)

    monkeypatch.setattr("dasf_broker.schema.queries.access", slow_access)
    socket = await enter(superuser)
    await socket.subscribe('{ topic(slug: "topic") { slug } }', id_="slow")
    await socket.subscribe(VIEWER, id_="quick")
    try:
        assert await socket.data("quick") == {"username": "root"}
        assert await socket.receive() == {"type": "complete", "id": "quick"}
    finally:
        goes_on.set()
    assert await socket.data("slow") == {"slug": "topic"}


async def test_complete_cancels(
    enter: OpenSocket,
    topic: BrokerTopic,
    producer: User,
    consumer: User,
    publish_text: Publish,
) -> None:
    """What the client completed sends nothing more, and is not completed by the server."""
    socket = await enter(consumer)
    await socket.subscribe(MESSAGES)
    await until_heard(topic)
    await socket.send({"type": "complete", "id": "1"})
    await until(lambda: topic.pk not in current().hub.topics)
    await database.write(publish_text, producer, topic)
    assert await socket.hears_nothing()
    await socket.send({"type": "complete", "id": "1"})  # nor does it matter to do so twice
    await socket.subscribe(MESSAGES)  # the id is free again
    assert await socket.data() == {"text": "hello"}


async def test_id_is_free_when_the_operation_is_complete(enter: OpenSocket) -> None:
    """An id may be used again and again."""
    socket = await enter()
    for _ in range(3):
        await socket.subscribe(VIEWER)
        assert await socket.data() == {"username": None}
        assert await socket.receive() == {"type": "complete", "id": "1"}


async def test_ids_need_no_special_care(enter: OpenSocket) -> None:
    """Any text is an id."""
    socket = await enter()
    odd = 'quote " brace } line \n pair \U0001f600 ü'
    await socket.subscribe(VIEWER, id_=odd)
    assert await socket.data(odd) == {"username": None}


async def test_ids_of_subscriptions_need_no_special_care(
    enter: OpenSocket,
    topic: BrokerTopic,
    producer: User,
    consumer: User,
    publish_text: Publish,
) -> None:
    """So it is where the frame is put together from parts."""
    await database.write(publish_text, producer, topic)
    socket = await enter(consumer)
    odd = 'quote " brace } line \n pair \U0001f600 ü'
    await socket.subscribe(MESSAGES, id_=odd)
    assert await socket.data(odd) == {"text": "hello"}


async def test_too_many_operations(
    enter: OpenSocket, topic: BrokerTopic, consumer: User, settings: Settings
) -> None:
    """One operation too many is refused; the others live on, and make room when they end."""
    settings.DASF_MAX_OPERATIONS_PER_SOCKET = 2
    socket = await enter(consumer)
    await socket.subscribe(MESSAGES, id_="a")
    await socket.subscribe(MESSAGES, id_="b")
    await socket.subscribe(VIEWER, id_="c")
    [error] = await socket.error("c")
    assert error["extensions"]["code"] == "RATE_LIMITED"
    await socket.send({"type": "complete", "id": "a"})
    await socket.subscribe(VIEWER, id_="d")
    assert await socket.data("d") == {"username": "consumer"}


async def test_same_field_twice_on_one_socket(
    enter: OpenSocket, topic: BrokerTopic, superuser: User, publish_text: Publish, make_topic: Any
) -> None:
    """Two subscriptions to two topics do not get each other's messages."""
    other = await database.write(make_topic, "other")
    socket = await enter(superuser)
    query = "subscription ($t: String!) { messages(topic: $t) { text } }"
    await socket.subscribe(query, {"t": "topic"}, id_="topic")
    await socket.subscribe(query, {"t": "other"}, id_="other")
    await until_heard(topic)
    await until_heard(other)
    await database.write(publish_text, superuser, other, "for other")
    assert await socket.data("other") == {"text": "for other"}
    assert await socket.hears_nothing()


async def test_nothing_is_left_behind(
    enter: OpenSocket, topic: BrokerTopic, consumer: User
) -> None:
    """A client that goes away ends its operations: no task and no subscription is left."""
    before = _tasks()
    socket = await enter(consumer)
    for number in range(5):
        await socket.subscribe(MESSAGES, id_=f"m{number}")
        await socket.subscribe(PINGS, id_=f"p{number}")
    await until_heard(topic, by=10)
    await socket.close()
    await until(lambda: _tasks() == before)
    assert not current().hub.topics


async def test_going_away_before_the_introduction(open_socket: OpenSocket) -> None:
    """A client may go away at once."""
    before = _tasks()
    socket = await open_socket()
    await socket.close()
    await until(lambda: _tasks() == before)


def _tasks() -> set[asyncio.Task[Any]]:
    # The hub's own two live as long as the event loop.
    return {each for each in asyncio.all_tasks() if not each.get_name().startswith("dasf-")}
