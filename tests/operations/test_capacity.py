"""A topic holds so many messages and no more; who publishes more is told that it is full."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from dasf_broker.exceptions import TopicFullError
from dasf_broker.models import BrokerTopic, ResponseTopic
from dasf_broker.operations.publish import publish_batch
from dasf_broker.operations.storage.removal import purge_messages
from dasf_broker.permissions import Right, grant
from tests.conftest import MakeTopic
from tests.operations.helpers import ack, codes, publication, send, send_many, stored

LIMIT = 3


@pytest.fixture(autouse=True)
def _limit(settings: Settings) -> None:
    """Let every topic hold three messages."""
    settings.DASF_MAX_BACKLOG = LIMIT


@pytest.mark.parametrize("policy", ["cache", "cacheall", "store", None])
def test_a_full_topic_takes_nothing(policy: str | None, topic: BrokerTopic, producer: User) -> None:
    """Whatever its policy; the error names the topic and the limit."""
    BrokerTopic.objects.update(store_messages=policy)
    ids = send_many(producer, LIMIT)
    with pytest.raises(TopicFullError, match="'topic'") as caught:
        send(producer)
    assert caught.value.details == {"topic": "topic", "limit": LIMIT}
    assert stored(topic) == ids


def test_what_fits_gets_in(topic: BrokerTopic, producer: User, make_topic: MakeTopic) -> None:
    """Of one batch; other topics have room of their own, and those that store nothing always."""
    grant(producer, make_topic("other"), Right.PRODUCE)
    grant(producer, make_topic("live", store_messages="disabled"), Right.PRODUCE)
    send(producer)
    slugs = ["topic", "other", "topic", "topic", "live", "other", "topic"]
    outcomes = publish_batch([publication(producer, slug) for slug in slugs])
    full = "TOPIC_FULL"
    assert codes(outcomes) == ["STORED", "STORED", "STORED", full, "SENT", "STORED", full]
    topic.refresh_from_db()
    assert (len(stored(topic)), topic.last_sequence) == (LIMIT, LIMIT)


def test_there_is_room_again(topic: BrokerTopic, producer: User, consumer: User) -> None:
    """As many as were removed, wherever they lay: the oldest may stay for long."""
    first, second, third = send_many(producer, LIMIT)
    for gone in (second, third):
        ack(consumer, gone)
    batch = [publication(producer) for _ in range(LIMIT)]
    assert codes(publish_batch(batch)) == ["STORED", "STORED", "TOPIC_FULL"]
    assert stored(topic)[0] == first
    purge_messages([topic])
    assert codes(publish_batch(batch[2:])) == ["STORED"]


def test_retries_are_answered_on_a_full_topic(
    topic: BrokerTopic, producer: User, consumer: User
) -> None:
    """Whether the first message is stored or gone: a retry takes no room."""
    gone = publication(producer)
    publish_batch([gone])
    ack(consumer, gone.envelope.message_id)
    batch = [publication(producer) for _ in range(LIMIT + 1)]
    assert codes(publish_batch(batch)) == ["STORED"] * LIMIT + ["TOPIC_FULL"]
    again = ["DUPLICATE"] * LIMIT + ["TOPIC_FULL", "DUPLICATE"]
    assert codes(publish_batch([*batch, gone])) == again
    # And it takes none from its neighbours.
    ack(consumer, batch[0].envelope.message_id)
    assert codes(publish_batch([gone, gone, publication(producer)])) == [
        "DUPLICATE",
        "DUPLICATE",
        "STORED",
    ]


def test_a_lower_limit_removes_nothing(
    topic: BrokerTopic, producer: User, settings: Settings
) -> None:
    """What is stored already stays; there is just no more room."""
    ids = send_many(producer, LIMIT)
    settings.DASF_MAX_BACKLOG = 1
    assert codes(publish_batch([publication(producer)])) == ["TOPIC_FULL"]
    assert stored(topic) == ids


def test_a_refused_request_leaves_no_topic(topic: BrokerTopic, producer: User) -> None:
    """The one for its answers is not created."""
    send_many(producer, LIMIT)
    batch = [publication(producer, response_topic="topic_answers")]
    assert codes(publish_batch(batch)) == ["TOPIC_FULL"]
    assert not ResponseTopic.objects.exists()


def test_nothing_is_counted_as_long_as_there_is_room(topic: BrokerTopic, producer: User) -> None:
    """Only where oldest and newest lie as far apart as the limit, and once for a batch."""
    send_many(producer, 2)
    assert _counts(producer, 1) == 0
    assert _counts(producer, 2) == 1
    purge_messages([topic])
    assert _counts(producer, 1) == 1  # nothing is stored, which says nothing while others publish
    assert _counts(producer, 1) == 0  # something is stored, and it is not far


def _counts(producer: User, messages: int) -> int:
    batch = [publication(producer) for _ in range(messages)]
    with CaptureQueriesContext(connection) as captured:
        publish_batch(batch)
    return sum("COUNT(" in query["sql"] for query in captured.captured_queries)
