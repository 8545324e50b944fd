"""Publish: what is stored, in which order, and what the same message twice does."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest
from django.contrib.auth.models import User
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from dasf_broker.exceptions import ConflictError
from dasf_broker.models import BrokerMessage, BrokerTopic
from dasf_broker.operations.caller import Caller
from dasf_broker.operations.publish import publish_batch, publish_content
from dasf_broker.permissions import Right, grant
from tests.conftest import MakeTopic, MakeUser
from tests.operations.helpers import (
    ack,
    codes,
    publication,
    published,
    rolled_back,
    send,
    send_many,
    stored,
)
from tests.unit.strategies import PROPERTIES

ID = UUID("12345678-1234-5678-1234-567812345678")


@pytest.mark.parametrize(
    ("policy", "status", "sequence"),
    [
        ("disabled", "SENT", None),
        ("cache", "STORED", 1),
        ("cacheall", "STORED", 1),
        ("store", "STORED", 1),
    ],
)
def test_each_storage_policy(
    policy: str, status: str, sequence: int | None, make_topic: MakeTopic, make_user: MakeUser
) -> None:
    """Only a disabled topic keeps nothing, and its messages have no place in it."""
    topic = make_topic(store_messages=policy)
    outcome = send(make_user("producer", topic, Right.PRODUCE), message_id=ID, data={"a": 1})
    assert (outcome.status.value, outcome.message.sequence) == (status, sequence)
    assert (outcome.topic_created, outcome.response_topic) == (False, None)
    assert stored(topic) == ([ID] if sequence else [])


@pytest.mark.parametrize(("policy", "count"), [("store", 1), ("disabled", 0)])
def test_the_servers_policy_holds_where_the_topic_has_none(
    policy: str, count: int, topic: BrokerTopic, producer: User, settings: Settings
) -> None:
    """And it is read live."""
    settings.DASF_STORE_SOURCE_MESSAGES = policy
    send(producer)
    assert len(stored(topic)) == count


def test_the_row_says_what_was_published(topic: BrokerTopic, producer: User) -> None:
    """Everything that a reader needs is in the row."""
    outcome = send(producer, message_id=ID, data=[1], context=7, properties={"a": None})
    row = BrokerMessage.objects.get()
    assert row.content == outcome.message.content
    assert (row.message_id, row.topic, row.user, row.context) == (ID, topic, producer, 7)
    assert (row.message_type, row.date_created) == ("request", outcome.message.publish_time)


def test_sequences_count_per_topic(
    topic: BrokerTopic, producer: User, make_topic: MakeTopic
) -> None:
    """One batch over two topics; each counts for itself, in the order of the batch."""
    grant(producer, make_topic("other"), Right.PRODUCE)
    slugs = ["topic", "other", "topic", "topic", "other"]
    outcomes = publish_batch([publication(producer, slug) for slug in slugs])
    assert [published(outcome).message.sequence for outcome in outcomes] == [1, 1, 2, 3, 2]
    topic.refresh_from_db()
    assert topic.last_sequence == 3


def test_a_sequence_is_never_used_again(topic: BrokerTopic, producer: User, consumer: User) -> None:
    """Neither after its message was acknowledged, nor when a message was refused."""
    ack(consumer, send(producer).message.message_id)
    assert send(producer).message.sequence == 2
    with pytest.raises(ConflictError):
        send(producer, message_id=stored(topic)[0], text="other")
    assert send(producer).message.sequence == 3


@pytest.mark.parametrize(
    ("changed", "code"),
    [({}, "DUPLICATE"), ({"text": "b"}, "CONFLICT"), ({"context": 1}, "CONFLICT")],
)
@pytest.mark.parametrize("together", [True, False])
def test_the_same_id_again(
    changed: dict[str, Any], code: str, together: bool, topic: BrokerTopic, producer: User
) -> None:
    """The same message is answered with the first one; another one is refused."""
    first = publication(producer, message_id=ID, text="a")
    parts: dict[str, Any] = {"message_id": ID, "text": "a"} | changed
    again = publication(producer, **parts)
    if together:
        outcomes = publish_batch([first, again, publication(producer)])
    else:
        outcomes = publish_batch([first]) + publish_batch([again, publication(producer)])
    assert codes(outcomes) == ["STORED", code, "STORED"]
    assert published(outcomes[2]).message.sequence == 2
    if code == "DUPLICATE":
        assert published(outcomes[1]).message == published(outcomes[0]).message
    assert len(stored(topic)) == 2


@pytest.mark.django_db
@given(properties=PROPERTIES, context=st.none() | st.integers(-(2**60), 2**60))
def test_the_same_again_is_recognised_whatever_it_holds(
    properties: dict[str, object], context: int | None
) -> None:
    """The database may write a number in another way; it is the same number."""
    with rolled_back():
        topic = BrokerTopic.objects.create(slug="topic", is_public=True)
        user = User.objects.create_user("somebody")
        parts: dict[str, Any] = {"message_id": ID, "properties": properties, "context": context}
        assert send(user, **parts).status.value == "STORED"
        assert send(user, **parts).status.value == "DUPLICATE"
        assert stored(topic) == [ID]


def test_somebody_elses_id_is_a_conflict(
    topic: BrokerTopic, producer: User, make_user: MakeUser
) -> None:
    """The same body from somebody else is another message."""
    send(producer, message_id=ID)
    with pytest.raises(ConflictError, match=str(ID)):
        send(make_user("other", topic, Right.PRODUCE), message_id=ID)


def test_an_id_may_be_used_in_several_topics(
    topic: BrokerTopic, producer: User, make_topic: MakeTopic
) -> None:
    """One message id per topic, not for all."""
    grant(producer, make_topic("other"), Right.PRODUCE)
    batch = [publication(producer, slug, message_id=ID) for slug in ("topic", "other", "topic")]
    assert codes(publish_batch(batch)) == ["STORED", "STORED", "DUPLICATE"]


@pytest.mark.parametrize("slug", ["a b", "", "a\x00b", "\ud800", "missing", "hidden", "x" * 1000])
def test_one_bad_message_fails_no_neighbour(
    slug: str, topic: BrokerTopic, producer: User, make_topic: MakeTopic
) -> None:
    """The others are stored, without a hole."""
    make_topic("hidden")
    outcomes = publish_batch([publication(producer, each) for each in ("topic", slug, "topic")])
    code = "NOT_FOUND" if slug in ("missing", "hidden") else "BAD_INPUT"
    assert codes(outcomes) == ["STORED", code, "STORED"]
    assert published(outcomes[2]).message.sequence == 2


def test_many_at_once(topic: BrokerTopic, producer: User) -> None:
    """A full batch of the API is stored in order."""
    ids = send_many(producer, 500)
    assert stored(topic) == ids


def test_an_empty_batch_is_fine(db: None) -> None:
    """Nothing in, nothing out."""
    assert publish_batch([]) == []


def test_the_wire_form_can_be_published(topic: BrokerTopic, producer: User) -> None:
    """As backend modules write it."""
    mine = str(uuid4())
    outcome = publish_content(producer, "topic", {"messageId": mine, "payload": "YQ=="})
    assert str(outcome.message.message_id) == mine
    assert outcome.message.user_id == str(producer.pk)
    assert Caller.of(producer) == Caller(producer)
