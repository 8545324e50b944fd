"""Publish: what happens on commit, and at what cost."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

import pytest
from django.contrib.auth.models import User
from pytest_django import DjangoCaptureOnCommitCallbacks

from dasf_broker import primary
from dasf_broker.domain.events import Event, MessagePublished
from dasf_broker.models import BrokerMessage, BrokerTopic
from dasf_broker.operations.publish import deliver_again, publish_batch
from dasf_broker.permissions import Right, grant
from dasf_broker.signals import message_published
from tests.conftest import MakeTopic, MakeUser
from tests.operations.conftest import Signalled
from tests.operations.helpers import codes, publication, queries, send


class HostError(Exception):
    """Something goes wrong in the host's own code."""


def test_messages_are_announced_and_signalled_on_commit(
    topic: BrokerTopic,
    producer: User,
    announced: list[Event],
    signalled: Signalled,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    """In order; what was published before or was refused is not."""
    with django_capture_on_commit_callbacks(execute=True):
        first = publication(producer)
        outcomes = publish_batch(
            [first, publication(producer, "nowhere"), first, publication(producer)]
        )
        assert announced == []
    assert codes(outcomes) == ["STORED", "NOT_FOUND", "DUPLICATE", "STORED"]
    messages = [outcomes[0].message, outcomes[3].message]  # type: ignore[union-attr]
    assert announced == messages
    assert signalled == [
        ("message_published", {"sender": BrokerTopic, "topic": "topic", "message": message})
        for message in messages
    ]


@pytest.mark.django_db(transaction=True)
def test_nothing_is_told_of_what_is_rolled_back(
    topic: BrokerTopic, producer: User, announced: list[Event], signalled: Signalled
) -> None:
    """The host's transaction decides; a sequence that was not used is free again."""
    with suppress(HostError), primary.atomic():
        send(producer, response_topic="topic_answers")
        raise HostError
    assert announced == []
    assert signalled == []
    assert not BrokerMessage.objects.exists()
    assert send(producer).message.sequence == 1
    assert len(announced) == len(signalled) == 1


@pytest.mark.django_db(transaction=True)
def test_a_failing_receiver_disturbs_nobody(
    topic: BrokerTopic, producer: User, signalled: Signalled
) -> None:
    """The message is stored, and the other receivers are called."""

    def fail(**_: object) -> None:
        raise HostError

    message_published.connect(fail)
    try:
        assert send(producer).status.value == "STORED"
    finally:
        message_published.disconnect(fail)
    assert [name for name, _ in signalled] == ["message_published"]


def test_a_message_can_be_sent_again(
    topic: BrokerTopic,
    producer: User,
    announced: list[Event],
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    """Without its sequence, because it would be taken for one that was seen."""
    send(producer, text="a")
    row = BrokerMessage.objects.get()
    with django_capture_on_commit_callbacks(execute=True):
        deliver_again([row])
        row.send()
    assert [event.sequence for event in announced if isinstance(event, MessagePublished)] == [
        None
    ] * 2
    assert BrokerMessage.objects.count() == 1


@pytest.mark.parametrize("policy", ["disabled", "cache", "cacheall", "store"])
@pytest.mark.parametrize("answers", [None, "topic_answers"])
def test_queries_do_not_grow_with_the_batch(
    policy: str, answers: str | None, make_topic: MakeTopic, make_user: MakeUser
) -> None:
    """Two messages or fifty: the same number of queries."""
    topic = make_topic(store_messages=policy)
    user = make_user("producer", topic, Right.PRODUCE)
    send(user, response_topic=answers)

    def publish_many(count: int) -> None:
        publish_batch([publication(user, response_topic=answers) for _ in range(count)])

    assert queries(lambda: publish_many(2)) == queries(lambda: publish_many(50))


def test_queries_do_not_grow_with_the_callers(
    topic: BrokerTopic, producer: User, make_user: MakeUser
) -> None:
    """Two producers or twenty in one batch: the same number of queries."""
    people = [make_user(f"p{number}", topic, Right.PRODUCE) for number in range(20)]
    send(producer)

    def publish_all(callers: Sequence[User]) -> None:
        publish_batch([publication(caller) for caller in callers])

    assert queries(lambda: publish_all(people[:2])) == queries(lambda: publish_all(people))


@pytest.mark.parametrize("policy", ["cache", "cacheall"])
def test_queries_do_not_grow_with_the_consumers(
    policy: str, make_topic: MakeTopic, make_user: MakeUser
) -> None:
    """Two consumers or two hundred: the same number of queries, and no row for each."""
    topic = make_topic(store_messages=policy)
    user = make_user("producer", topic, Right.PRODUCE)
    people = User.objects.bulk_create(User(username=f"c{number}") for number in range(200))
    for consumer in people[:2]:
        grant(consumer, topic, Right.CONSUME)
    send(user, response_topic="topic_answers")
    few = queries(lambda: send(user, response_topic="topic_answers"))
    for consumer in people[2:]:
        grant(consumer, topic, Right.CONSUME)
    assert queries(lambda: send(user, response_topic="topic_answers")) == few
