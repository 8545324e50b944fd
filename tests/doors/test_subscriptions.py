"""The subscription `messages`: what was, then what comes, in order, nothing twice."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User

from dasf_broker import database
from dasf_broker.domain.cursors import message_cursor
from dasf_broker.domain.envelope import MessageType
from dasf_broker.models import BrokerTopic
from dasf_broker.operations.acknowledge import Acknowledging, acknowledge
from dasf_broker.operations.caller import Caller
from tests.conftest import MakeTopic, MakeUser
from tests.doors.clients import is_refusal
from tests.doors.conftest import OpenSocket, Publish
from tests.doors.sockets import Socket
from tests.doors.waiting import until_heard

pytestmark = pytest.mark.django_db(transaction=True)

MESSAGES = """
subscription (
  $topic: String! = "topic", $start: StartPosition! = OUTSTANDING
  $after: String, $messageTypes: [MessageType!]
) {
  messages(topic: $topic, start: $start, after: $after, messageTypes: $messageTypes) {
    text messageType missed
  }
}
"""


async def test_outstanding_then_live(
    enter: OpenSocket,
    topic: BrokerTopic,
    producer: User,
    consumer: User,
    publish_text: Publish,
) -> None:
    """First what was not acknowledged, then what comes; a second subscription gets all again."""
    await _keep(publish_text, producer, consumer, topic)
    socket = await enter(consumer)
    await socket.subscribe(MESSAGES)
    assert await _texts(socket, 2) == ["b", "c"]
    for text in "de":
        await database.write(publish_text, producer, topic, text)
    assert await _texts(socket, 2) == ["d", "e"]
    await socket.subscribe(MESSAGES, id_="again")
    assert [(await socket.data("again"))["text"] for _ in range(4)] == ["b", "c", "d", "e"]
    assert await socket.hears_nothing()


async def test_nothing_twice_while_messages_come(
    enter: OpenSocket,
    topic: BrokerTopic,
    producer: User,
    consumer: User,
    publish_text: Publish,
) -> None:
    """Messages that are published while the backlog is read come once, in order."""
    texts = [str(number) for number in range(60)]
    for text in texts[:20]:
        await database.write(publish_text, producer, topic, text)
    socket = await enter(consumer)
    await socket.subscribe(MESSAGES)
    for text in texts[20:]:
        await database.write(publish_text, producer, topic, text)
    assert await _texts(socket, 60) == texts
    assert await socket.hears_nothing()


@pytest.mark.parametrize(
    ("start", "expected"),
    [("OUTSTANDING", ["b", "c", "d"]), ("NEW", ["d"]), ("EARLIEST", ["a", "b", "c", "d"])],
)
async def test_start(
    enter: OpenSocket,
    topic: BrokerTopic,
    producer: User,
    consumer: User,
    publish_text: Publish,
    start: str,
    expected: list[str],
) -> None:
    """One begins with what is outstanding, with what is new, or with all that is stored."""
    await _keep(publish_text, producer, consumer, topic)
    socket = await enter(consumer)
    await socket.subscribe(MESSAGES, {"start": start})
    await until_heard(topic)
    await database.write(publish_text, producer, topic, "d")
    assert await _texts(socket, len(expected)) == expected


@pytest.mark.parametrize("start", ["OUTSTANDING", "NEW", "EARLIEST"])
async def test_after_a_cursor(
    enter: OpenSocket,
    topic: BrokerTopic,
    producer: User,
    consumer: User,
    publish_text: Publish,
    start: str,
) -> None:
    """One continues behind a cursor, whatever `start` says."""
    await _keep(publish_text, producer, consumer, topic)
    socket = await enter(consumer)
    await socket.subscribe(
        MESSAGES, {"start": start, "after": message_cursor(topic.pk, 2, topic.epoch)}
    )
    assert await _texts(socket, 1) == ["c"]


@pytest.mark.parametrize(
    ("types", "expected"),
    [
        (None, ["REQUEST", "LOG", "PONG"]),
        (["PING"], ["PING"]),
        (["API_INFO", "LOG"], ["API_INFO", "LOG"]),
        (["PING", "REQUEST"], ["PING", "REQUEST"]),
    ],
    ids=str,
)
async def test_message_types(
    enter: OpenSocket,
    topic: BrokerTopic,
    producer: User,
    consumer: User,
    publish_text: Publish,
    types: list[str] | None,
    expected: list[str],
) -> None:
    """Pings and requests for the API description come to who names them, stored and live."""
    kinds = [MessageType(each) for each in ("ping", "request", "api_info", "log", "pong")]

    def publish_all() -> None:
        for kind in kinds:
            publish_text(producer, topic, message_type=kind)

    await database.write(publish_all)
    socket = await enter(consumer)
    await socket.subscribe(MESSAGES, {"messageTypes": types})
    backlog = [(await socket.data())["messageType"] for _ in expected]
    await database.write(publish_all)
    live = [(await socket.data())["messageType"] for _ in expected]
    assert sorted(backlog) == sorted(live) == sorted(expected)
    assert backlog == live
    assert await socket.hears_nothing()


async def test_no_types_at_all(
    enter: OpenSocket,
    topic: BrokerTopic,
    producer: User,
    consumer: User,
    publish_text: Publish,
) -> None:
    """An empty list of types is none of them."""
    await database.write(publish_text, producer, topic)
    socket = await enter(consumer)
    await socket.subscribe(MESSAGES, {"messageTypes": []})
    assert await socket.hears_nothing()


async def test_topic_that_stores_nothing(
    enter: OpenSocket, make_topic: MakeTopic, superuser: User, publish_text: Publish
) -> None:
    """There only what comes is delivered."""
    live = await database.write(make_topic, "live", store_messages="disabled")
    await database.write(publish_text, superuser, live, "before")
    socket = await enter(superuser)
    await socket.subscribe(MESSAGES, {"topic": "live"})
    await until_heard(live)
    await database.write(publish_text, superuser, live, "after")
    assert await _texts(socket, 1) == ["after"]


async def test_deleted_topic_ends_the_subscription(
    enter: OpenSocket, topic: BrokerTopic, consumer: User, manager: User
) -> None:
    """When the topic is deleted, its subscribers are told."""
    socket = await enter(consumer)
    await socket.subscribe(MESSAGES)
    await until_heard(topic)
    other = await enter(manager)
    await other.subscribe('mutation { deleteTopic(topic: "topic") { slug } }')
    [error] = await socket.error()
    assert is_refusal(error, "NOT_FOUND")
    await socket.subscribe("{ viewer { username } }")
    assert await socket.data() == {"username": "consumer"}


@pytest.mark.parametrize(
    ("field", "refused"),
    [("messages", True), ("pings", True), ("pongs", False), ("availability", False)],
)
async def test_rights(
    enter: OpenSocket,
    topic: BrokerTopic,
    producer: User,
    stranger: User,
    field: str,
    refused: bool,
) -> None:
    """Consumers get messages and pings; who sees the topic gets the rest; others hear of none."""
    query = f"subscription ($t: String!) {{ {field}(topic: $t) {{ __typename }} }}"
    for user in (stranger, None):
        socket = await enter(user)
        [hidden] = await _refusal(socket, query, "topic")
        [missing] = await _refusal(socket, query, "missing")
        assert is_refusal(missing, "NOT_FOUND")
        hidden["message"] = hidden["message"].replace("'topic'", "'missing'")
        assert hidden == missing
    if refused:
        [error] = await _refusal(await enter(producer), query, "topic")
        assert is_refusal(error, "FORBIDDEN")
    [error] = await _refusal(await enter(producer), query, "no slug")
    assert is_refusal(error, "BAD_INPUT", "topic")


@pytest.mark.parametrize(
    ("cursor", "code", "field"),
    [
        ("expired", "CURSOR_EXPIRED", None),
        ("future", "CURSOR_EXPIRED", None),
        ("other topic", "CURSOR_EXPIRED", None),
        ("garbage", "BAD_INPUT", "after"),
        ("", "BAD_INPUT", "after"),
    ],
)
async def test_cursor_that_cannot_be_honoured(
    enter: OpenSocket,
    topic: BrokerTopic,
    consumer: User,
    cursor: str,
    code: str,
    field: str | None,
) -> None:
    """It is an error, and never a silent hole."""
    limits = {"expired_sequence": 3, "last_sequence": 5}
    await database.write(lambda: BrokerTopic.objects.filter(pk=topic.pk).update(**limits))
    cursors = {
        "expired": message_cursor(topic.pk, 2, topic.epoch),
        "future": message_cursor(topic.pk, 6, topic.epoch),
        "other topic": message_cursor(topic.pk + 1, 4, topic.epoch),
    }
    socket = await enter(consumer)
    await socket.subscribe(MESSAGES, {"after": cursors.get(cursor, cursor)})
    [error] = await socket.error()
    assert is_refusal(error, code, field)


async def test_every_consumer_gets_its_own_backlog(
    enter: OpenSocket,
    topic: BrokerTopic,
    producer: User,
    consumer: User,
    make_user: MakeUser,
    publish_text: Publish,
) -> None:
    """What one consumer acknowledged is still outstanding for another."""
    await _keep(publish_text, producer, consumer, topic)
    other = await database.write(make_user, "other", topic, "can_consume")
    socket = await enter(other)
    await socket.subscribe(MESSAGES)
    assert await _texts(socket, 3) == ["a", "b", "c"]


async def _keep(publish_text: Publish, producer: User, consumer: User, topic: BrokerTopic) -> None:
    """Publish a, b, c to be kept; a is acknowledged."""

    def make() -> None:
        BrokerTopic.objects.filter(pk=topic.pk).update(store_messages="store")
        first, *_ = [publish_text(producer, topic, text) for text in "abc"]
        acknowledge(Acknowledging(Caller.of(consumer), topic.slug, first.message.message_id))

    await database.write(make)


async def _texts(socket: Socket, count: int) -> list[str]:
    received = [await socket.data() for _ in range(count)]
    assert all(each["missed"] == 0 for each in received)
    return [each["text"] for each in received]


async def _refusal(socket: Socket, query: str, slug: str) -> list[dict[str, Any]]:
    await socket.subscribe(query, {"t": slug})
    return await socket.error()
