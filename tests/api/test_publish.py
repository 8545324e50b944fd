"""Publish from a host's own code: in its transaction, or from its event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from uuid import uuid4

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.core.exceptions import SynchronousOnlyOperation
from django.db import connections
from pytest_django import Settings

from dasf_broker import (
    BrokerError,
    MessageType,
    NewMessage,
    Published,
    PublishStatus,
    apublish,
    apublish_many,
    primary,
    publish,
    publish_many,
)
from dasf_broker.domain.events import Event, MessagePublished
from dasf_broker.exceptions import (
    BadInputError,
    ConflictError,
    ForbiddenError,
    NotFoundError,
    PayloadTooLargeError,
)
from dasf_broker.models import BrokerMessage, BrokerTopic, ResponseTopic
from dasf_broker.signals import message_published
from tests.conftest import MakeTopic, MakeUser

pytestmark = pytest.mark.django_db(transaction=True)


class HostError(Exception):
    """Something goes wrong in the host's own code."""


# --- what is published ------------------------------------------------------------------------


def test_all_parts(topic: BrokerTopic, producer: User) -> None:
    """The result says what became of it; the message is as it was composed."""
    message_id = uuid4()
    done = publish(
        "topic",
        data={"celsius": 6.2},
        properties={"unit": "C"},
        message_type="info",
        context=7,
        message_id=str(message_id),
        user=producer,
    )
    row = BrokerMessage.objects.get(topic=topic)
    assert (done.status, done.message_id) == (PublishStatus.STORED, message_id)
    assert (row.message_id, row.user, row.context) == (message_id, producer, 7)
    assert (done.message.data, done.message.text) == ({"celsius": 6.2}, '{"celsius":6.2}')
    assert done.message.properties == {"unit": "C", "messageType": "info"}
    assert (done.message.message_type, done.message.context) == (MessageType.INFO, 7)
    assert (done.message.topic, done.message.cursor) == ("topic", row.cursor)


def test_text_and_payload(topic: BrokerTopic) -> None:
    """A body is text, or base64; what is no JSON has no data."""
    text = publish("topic", text="6 °C").message
    assert (text.text, text.data, text.payload) == ("6 °C", None, "NiDCsEM=")
    binary = publish("topic", payload="/w==").message
    assert (binary.text, binary.data, binary.payload) == (None, None, "/w==")


def test_the_same_twice(topic: BrokerTopic, producer: User) -> None:
    """The same id and body are one message, also where the server itself publishes."""
    for user in (producer, None):
        first = publish("topic", text="hello", user=user)
        again = publish("topic", text="hello", message_id=first.message_id, user=user)
        assert again.status is PublishStatus.DUPLICATE
        with pytest.raises(ConflictError):
            publish("topic", text="other", message_id=first.message_id, user=user)


def test_unstored_message_has_no_cursor(make_topic: MakeTopic) -> None:
    """A topic that stores nothing sends, and there is nothing to resume behind."""
    make_topic("live", store_messages="disabled")
    done = publish("live", text="hello")
    assert (done.status, done.message.cursor) == (PublishStatus.SENT, None)


# --- who publishes ----------------------------------------------------------------------------


def test_the_server_itself(topic: BrokerTopic) -> None:
    """Without a user no right is asked, and the message has no producer."""
    done = publish("topic", text="hello")
    assert BrokerMessage.objects.get().user is None
    assert done.message.user_id is None


def test_the_server_asks_for_answers(topic: BrokerTopic) -> None:
    """A response topic is created, and nobody in person may consume it."""
    assert publish("topic", text="?", response_topic="answers").response_topic == "answers"
    assert publish("topic", text="?", response_topic="answers").response_topic == "answers"
    assert not ResponseTopic.objects.get(slug="answers").consumers.exists()


def test_the_server_creates_topics(settings: Settings) -> None:
    """As everybody does who may add topics; where that is off, nobody does."""
    assert publish("new", text="hello").topic_created
    settings.DASF_CREATE_TOPIC_ON_MESSAGE = False
    with pytest.raises(NotFoundError):
        publish("newer", text="hello")


def test_rights_of_users(topic: BrokerTopic, consumer: User, stranger: User) -> None:
    """A user is asked for their rights, in both kinds of code."""
    for user, error in ((consumer, ForbiddenError), (stranger, NotFoundError)):
        with pytest.raises(error):
            publish("topic", text="hello", user=user)
        with pytest.raises(error):
            asyncio.run(apublish("topic", text="hello", user=user))


def test_anonymous_user(topic: BrokerTopic, make_topic: MakeTopic) -> None:
    """``AnonymousUser`` may do what everybody may, and is not the server."""
    make_topic("public", is_public=True)
    with pytest.raises(NotFoundError):
        publish("topic", text="hello", user=AnonymousUser())
    assert publish("public", text="hello", user=AnonymousUser()).message.user_id is not None
    done = asyncio.run(apublish("public", text="hello", user=AnonymousUser()))
    assert done.message.user_id is not None


def test_rates_are_for_others(topic: BrokerTopic, producer: User, settings: Settings) -> None:
    """What limits callers from outside does not limit the host itself."""
    settings.DASF_USER_RATES = {"publish": "1/h", "publish_bytes": "1/h"}
    for _ in range(2):
        assert publish("topic", text="hello", user=producer).status is PublishStatus.STORED
        done = asyncio.run(apublish("topic", text="hello", user=producer))
        assert done.status is PublishStatus.STORED


# --- what is refused --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parts", "field"),
    [
        ({"data": 1, "text": "1"}, "text"),
        ({"data": float("nan")}, "data"),
        ({"payload": "?"}, "payload"),
        ({"properties": [1]}, "properties"),
        ({"message_type": "shout"}, "messageType"),
        ({"message_id": "7"}, "messageId"),
        ({"context": 2**63}, "context"),
        ({"response_topic": "no slug"}, "responseTopic"),
    ],
)
def test_wrong_parts(topic: BrokerTopic, parts: NewMessage, field: str) -> None:
    """The error names the part, by every function alike."""
    message: NewMessage = {**parts, "topic": "topic"}
    with pytest.raises(BadInputError) as refused:
        publish(**message)
    assert refused.value.details == {"field": field}
    with pytest.raises(BadInputError):
        asyncio.run(apublish(**message))
    for [outcome] in (publish_many([message]), asyncio.run(apublish_many([message]))):
        assert isinstance(outcome, BadInputError)


def test_too_large(topic: BrokerTopic, settings: Settings) -> None:
    """The limit for messages holds for the host, too."""
    settings.DASF_MAX_MESSAGE_SIZE = 1000
    with pytest.raises(PayloadTooLargeError):
        publish("topic", text="x" * 1000)


def test_unknown_parts(topic: BrokerTopic) -> None:
    """A misspelt keyword is a TypeError, as with any function."""
    with pytest.raises(TypeError, match="celsius"):
        publish("topic", celsius=6.2)  # type: ignore[call-arg]


# --- several at once --------------------------------------------------------------------------


def test_many(topic: BrokerTopic, producer: User, make_topic: MakeTopic) -> None:
    """In order, in one transaction; one that is refused fails no other."""
    make_topic("hidden")
    messages: list[NewMessage] = [
        {"topic": "topic", "data": 1},
        {"topic": "hidden", "data": 2},
        {"topic": "no slug", "data": 3},
        {"topic": "topic", "data": 4, "context": 4},
    ]
    _check(publish_many(messages, user=producer))
    _check(asyncio.run(apublish_many(messages, user=producer)))
    sequences = topic.brokermessage_set.order_by("sequence").values_list("context", flat=True)
    assert list(sequences) == [None, 4, None, 4]


def _check(outcomes: list[Published | BrokerError]) -> None:
    first, hidden, wrong, last = outcomes
    assert isinstance(first, Published)
    assert isinstance(hidden, NotFoundError)
    assert isinstance(wrong, BadInputError)
    assert isinstance(last, Published)
    assert (first.message.data, last.message.data) == (1, 4)


def test_none(topic: BrokerTopic) -> None:
    """Nothing is nothing."""
    assert publish_many([]) == []
    assert asyncio.run(apublish_many([])) == []


# --- transactions -----------------------------------------------------------------------------


def test_joins_the_transaction(topic: BrokerTopic, announced: list[Event]) -> None:
    """What is published is announced when the host commits, and not before."""
    with primary.atomic():
        done = publish("topic", text="hello")
        assert announced == []
    assert announced == [done.message]


def test_rollback(topic: BrokerTopic, announced: list[Event]) -> None:
    """What the host takes back was never said."""
    with suppress(HostError), primary.atomic():
        publish("topic", text="hello")
        publish_many([{"topic": "topic", "text": "hello"}])
        raise HostError
    assert announced == []
    assert not BrokerMessage.objects.exists()


def test_savepoint(topic: BrokerTopic, announced: list[Event]) -> None:
    """Only what an inner block took back is missing."""
    with primary.atomic():
        first = publish("topic", text="one")
        with suppress(HostError), primary.atomic():
            publish("topic", text="two")
            raise HostError
        last = publish("topic", text="three")
    assert announced == [first.message, last.message]
    assert [first.message.sequence, last.message.sequence] == [1, 2]


def test_refused_message_leaves_the_transaction_usable(topic: BrokerTopic) -> None:
    """The host may go on after an error that it handles."""
    with primary.atomic():
        first = publish("topic", text="one")
        with pytest.raises(ConflictError):
            publish("topic", text="two", message_id=first.message_id)
        publish("topic", text="three")
    assert BrokerMessage.objects.count() == 2


# --- event loops ------------------------------------------------------------------------------


def test_short_loop_loses_nothing(
    make_topic: MakeTopic, announced: list[Event], make_user: MakeUser
) -> None:
    """A loop that ends with its first publish has announced it: nobody could read it later."""
    make_topic("live", store_messages="disabled")
    sent = [asyncio.run(apublish("live", data=number)).message for number in range(20)]
    assert announced == sent
    outcomes = asyncio.run(apublish_many([{"topic": "live", "data": 1}, {"topic": "live"}]))
    assert len(outcomes) == 2
    assert len(announced) == 22


def test_short_loops_side_by_side(make_topic: MakeTopic, announced: list[Event]) -> None:
    """No loop is left what another one, or a thread without one, has to announce."""
    make_topic("live", store_messages="disabled")
    ways = [lambda: asyncio.run(apublish("live")), lambda: publish("live")]
    with ThreadPoolExecutor(4) as threads:
        done = [threads.submit(_in_thread, ways[number % 2]) for number in range(40)]
        sent = {each.result().message_id for each in done}
    assert {each.message_id for each in announced} == sent  # type: ignore[attr-defined]


def _in_thread(way: Callable[[], Published]) -> Published:
    try:
        return way()
    finally:
        connections.close_all()


async def test_concurrent_publishes_share_transactions(
    topic: BrokerTopic, producer: User, announced: list[Event]
) -> None:
    """As with clients: many callers, few commits, each with its own answer."""
    done = await asyncio.gather(
        *(apublish("topic", data=number, user=producer) for number in range(100))
    )
    assert [each.message.data for each in done] == [*range(100)]
    assert announced == [each.message for each in done]


async def test_blocking_an_event_loop_is_refused(topic: BrokerTopic) -> None:
    """As Django does, with the way out."""
    with pytest.raises(SynchronousOnlyOperation, match=r"await apublish\("):
        publish("topic")
    with pytest.raises(SynchronousOnlyOperation, match=r"await apublish_many\("):
        publish_many([])


# --- signals ----------------------------------------------------------------------------------


def test_signals_carry_the_body(topic: BrokerTopic) -> None:
    """A receiver reads ``message.data`` like a subscriber."""
    heard: list[MessagePublished] = []

    def receive(*, message: MessagePublished, **_: object) -> None:
        heard.append(message)

    message_published.connect(receive)
    try:
        publish("topic", data={"celsius": 6.2})
    finally:
        message_published.disconnect(receive)
    assert [each.data for each in heard] == [{"celsius": 6.2}]
