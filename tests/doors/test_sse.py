"""Subscriptions over server-sent events: the same messages, with where to resume in each event.

Queries and mutations over this door are in the contract suite.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.contrib.auth.models import User
from pytest_django import Settings

from dasf_broker import database
from dasf_broker.domain.cursors import message_cursor
from dasf_broker.models import BrokerTopic
from dasf_broker.runtime import current
from testproject.asgi import application, django_application
from tests.conftest import MakeTopic
from tests.doors.clients import is_refusal, key_of
from tests.doors.conftest import OpenStream, Publish
from tests.doors.event_streams import COMPLETE, EventStream
from tests.doors.waiting import until, until_heard

pytestmark = pytest.mark.django_db(transaction=True)

MESSAGES = """
subscription ($topic: String! = "topic", $after: String) {
  messages(topic: $topic, after: $after) { text }
}
"""
JSON = "application/json"
NEW_JSON = "application/graphql-response+json"
EVENTS = "text/event-stream"


@pytest.fixture
async def abc(publish_text: Publish, producer: User, topic: BrokerTopic) -> None:
    """Publish three messages."""
    for text in "abc":
        await database.write(publish_text, producer, topic, text)


async def test_outstanding_then_live(
    open_stream: OpenStream,
    abc: None,
    publish_text: Publish,
    producer: User,
    consumer: User,
    topic: BrokerTopic,
) -> None:
    """Each event carries the cursor of its message as its id."""
    stream = await open_stream(MESSAGES, as_=consumer)
    assert stream.status == 200
    assert stream.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert "no-store" in stream.headers["cache-control"]
    assert stream.headers["x-accel-buffering"] == "no"
    assert await stream.block() == ":\n\n"
    seen = [await stream.event() for _ in range(3)]
    await until_heard(topic)
    await database.write(publish_text, producer, topic, "ü\n\n")
    seen.append(await stream.event())
    assert [name for name, _, _ in seen] == ["next"] * 4
    assert [data["data"]["messages"]["text"] for _, data, _ in seen] == ["a", "b", "c", "ü\n\n"]
    assert [id_ for *_, id_ in seen] == [
        message_cursor(topic.pk, each, topic.epoch) for each in range(1, 5)
    ]


@pytest.mark.parametrize("after", [None, 1])
async def test_resume(
    open_stream: OpenStream, abc: None, consumer: User, topic: BrokerTopic, after: int | None
) -> None:
    """``Last-Event-ID`` goes before ``after``, which was there at the first attempt already."""
    stream = await open_stream(
        MESSAGES,
        {"after": after and message_cursor(topic.pk, after, topic.epoch)},
        as_=consumer,
        **{"last-event-id": message_cursor(topic.pk, 2, topic.epoch)},
    )
    assert await stream.value() == {"text": "c"}


async def test_empty_last_event_id(open_stream: OpenStream, abc: None, consumer: User) -> None:
    """It says that there was none."""
    stream = await open_stream(MESSAGES, as_=consumer, **{"last-event-id": ""})
    assert await stream.value() == {"text": "a"}


@pytest.mark.parametrize(
    ("cursor", "code", "field"),
    [("nonsense", "BAD_INPUT", "after"), (message_cursor(1, 10_000, 0), "CURSOR_EXPIRED", None)],
)
async def test_resume_from_nowhere(
    open_stream: OpenStream, consumer: User, cursor: str, code: str, field: str | None
) -> None:
    """A cursor that cannot be honoured is an error, never a silent hole."""
    stream = await open_stream(MESSAGES, as_=consumer, **{"last-event-id": cursor})
    assert is_refusal(await stream.error(), code, field)


async def test_no_id_where_nothing_is_stored(
    open_stream: OpenStream,
    make_topic: MakeTopic,
    publish_text: Publish,
    superuser: User,
) -> None:
    """There is nothing to resume from."""
    live = await database.write(make_topic, "live", store_messages="disabled")
    stream = await open_stream(MESSAGES, {"topic": "live"}, as_=superuser)
    await until_heard(live)
    await database.write(publish_text, superuser, live, "now")
    assert (await stream.event()).id is None


async def test_keep_alive(
    open_stream: OpenStream, consumer: User, topic: BrokerTopic, settings: Settings
) -> None:
    """Comments keep proxies from cutting a stream in which nothing happens."""
    settings.DASF_EVENT_STREAM_KEEP_ALIVE = 0.01
    stream = await open_stream(MESSAGES, as_=consumer)
    assert [await stream.block() for _ in range(5)] == [":\n\n"] * 5


async def test_client_goes(open_stream: OpenStream, consumer: User, topic: BrokerTopic) -> None:
    """Its subscription ends with it."""
    stream = await open_stream(MESSAGES, as_=consumer)
    await until_heard(topic)
    await stream.close()
    await until(lambda: not current().hub.topics)


async def test_document_that_is_not_valid(open_stream: OpenStream) -> None:
    """The protocol wants the errors as a result, so that `EventSource` can show them."""
    stream = await open_stream("{ unknown }")
    assert stream.status == 200
    assert is_refusal(await stream.error(), "BAD_INPUT")


async def test_topic_that_is_hidden(
    open_stream: OpenStream, topic: BrokerTopic, stranger: User
) -> None:
    """A subscription that is refused is complete."""
    stream = await open_stream(MESSAGES, as_=stranger)
    assert is_refusal(await stream.error(), "NOT_FOUND")


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"authorization": "Bearer wrong"}, 401, "UNAUTHENTICATED"),
        ({"content-type": "text/plain"}, 415, "BAD_INPUT"),
    ],
)
async def test_request_that_comes_to_nothing(
    open_stream: OpenStream, headers: dict[str, str], status: int, code: str
) -> None:
    """It is refused as without events: with a status and JSON."""
    stream = await open_stream("{ viewer { username } }", **headers)
    assert (stream.status, stream.headers["content-type"]) == (status, f"{JSON}; charset=utf-8")
    assert is_refusal(json.loads(await stream.block())["errors"][0], code)


@pytest.mark.parametrize(
    ("accept", "is_stream"),
    [
        (EVENTS, True),
        (f"{EVENTS};charset=utf-8", True),
        (f"{EVENTS}, multipart/mixed", True),  # urql's subscriptions over HTTP
        (f"{EVENTS}, */*;q=0.1", True),
        (f"{EVENTS}, {JSON};q=0.9", True),
        (f"{JSON}, {EVENTS}", False),
        (f"{NEW_JSON}, {JSON}, {EVENTS}, multipart/mixed", False),  # urql's queries
        (f"{JSON};q=0.9, {EVENTS};q=0.8", False),
        (f"{EVENTS};q=0", False),
        ("*/*", False),
    ],
)
async def test_preferred_type(open_stream: OpenStream, accept: str, is_stream: bool) -> None:
    """Events are sent only to who prefers them to a single answer."""
    stream = await open_stream("{ viewer { username } }", accept=accept)
    assert stream.status == 200
    assert stream.headers["content-type"].startswith(EVENTS) is is_stream


async def test_djangos_view_has_no_events(consumer: User, django_thread: None) -> None:
    """It says where they are."""
    headers = {"authorization": f"Bearer {await key_of(consumer)}"}
    stream = await EventStream(django_application, MESSAGES, headers=headers).open()
    [error] = json.loads(await stream.block())["errors"]
    assert (stream.status, error["extensions"]["code"]) == (406, "BAD_INPUT")
    assert "broker_application" in error["message"]
    await stream.close()


async def test_a_query_ends_the_stream(consumer: User, hub_lifetime: None) -> None:
    """There is one result, then the response is over."""
    stream = await EventStream(application, "{ viewer { username } }").open()
    result: dict[str, Any] = (await stream.event()).data
    assert result == {"data": {"viewer": {"username": None}}}
    assert await stream.event() == COMPLETE
    assert await stream.block() == ""
    await stream.ended()
