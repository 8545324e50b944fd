"""Acknowledge: what each storage rule does with a message, and what is answered."""

from __future__ import annotations

from uuid import uuid4

import pytest
from django.contrib.auth.models import Group, User

from dasf_broker.exceptions import BadInputError, ForbiddenError, NotFoundError
from dasf_broker.models import BrokerTopic
from dasf_broker.operations.acknowledge import Acknowledging, acknowledge_batch
from dasf_broker.operations.caller import Caller
from dasf_broker.permissions import Right, grant
from tests.conftest import MakeTopic, MakeUser
from tests.operations.helpers import ack, codes, delivered, queries, send_many, stored

ALL = ["cache", "cacheall", "store"]


@pytest.fixture
def second(make_user: MakeUser, topic: BrokerTopic) -> User:
    """Return another consumer."""
    return make_user("second", topic, Right.CONSUME)


@pytest.mark.parametrize(
    ("policy", "removed_by"), [("cache", 1), ("cacheall", 2), ("store", None), ("disabled", 1)]
)
def test_when_a_message_is_removed(
    policy: str,
    removed_by: int | None,
    topic: BrokerTopic,
    producer: User,
    consumer: User,
    second: User,
) -> None:
    """By the first, by the last, or never; on a disabled topic, what is left from before."""
    [message_id] = send_many(producer, 1)
    set_policy(topic, policy)
    for count, user in enumerate((consumer, second), start=1):
        outcome = ack(user, message_id)
        if removed_by is not None and count > removed_by:
            assert outcome.status.value == "UNKNOWN"
            continue
        assert outcome.status.value == "ACKNOWLEDGED"
        assert outcome.removed is (count == removed_by)
        assert (message_id in stored(topic)) is not (count == removed_by)


@pytest.mark.parametrize("policy", ALL)
def test_acknowledging_again_changes_nothing(
    policy: str, topic: BrokerTopic, producer: User, consumer: User, second: User
) -> None:
    """It is an answer and not an error."""
    set_policy(topic, policy)
    [message_id] = send_many(producer, 1)
    ack(consumer, message_id)
    expected = "UNKNOWN" if policy == "cache" else "ALREADY_ACKNOWLEDGED"
    outcome = ack(consumer, message_id)
    assert (outcome.status.value, outcome.removed) == (expected, False)
    if policy != "cache":
        assert delivered(message_id) == {"consumer"}


def test_an_unknown_message_is_an_answer(topic: BrokerTopic, consumer: User) -> None:
    """It may have been removed long ago."""
    assert ack(consumer, uuid4()).status.value == "UNKNOWN"


def test_a_message_of_another_topic_is_unknown(
    topic: BrokerTopic, producer: User, consumer: User, make_topic: MakeTopic
) -> None:
    """The id alone is not enough."""
    grant(consumer, make_topic("other"), Right.CONSUME)
    [message_id] = send_many(producer, 1)
    assert ack(consumer, message_id, "other").status.value == "UNKNOWN"
    assert stored(topic) == [message_id]


def test_consumers_by_group_and_globally_count(
    topic: BrokerTopic, producer: User, consumer: User, make_user: MakeUser
) -> None:
    """Under ``cacheall`` a message waits for all of them."""
    set_policy(topic, "cacheall")
    group = Group.objects.create(name="modules")
    member = make_user("member")
    member.groups.add(group)
    grant(group, topic, Right.CONSUME)
    [message_id] = send_many(producer, 1)
    assert not ack(consumer, message_id).removed
    assert ack(member, message_id).removed


def test_superusers_are_not_waited_for(
    topic: BrokerTopic, producer: User, consumer: User, superuser: User
) -> None:
    """They may acknowledge, and it is noted, but nobody misses it."""
    set_policy(topic, "cacheall")
    first, other = send_many(producer, 2)
    assert ack(consumer, first).removed
    assert ack(superuser, other).status.value == "ACKNOWLEDGED"
    assert delivered(other) == {"root"}
    assert ack(consumer, other).removed


def test_inactive_consumers_are_not_waited_for(
    topic: BrokerTopic, producer: User, consumer: User, second: User
) -> None:
    """They cannot come and acknowledge."""
    set_policy(topic, "cacheall")
    second.is_active = False
    second.save()
    [message_id] = send_many(producer, 1)
    assert ack(consumer, message_id).removed


def test_without_any_consumer_a_message_stays(
    topic: BrokerTopic, producer: User, superuser: User
) -> None:
    """Somebody may be given the right later."""
    set_policy(topic, "cacheall")
    [message_id] = send_many(producer, 1)
    assert not ack(superuser, message_id).removed
    assert stored(topic) == [message_id]


def test_a_batch_answers_each(
    topic: BrokerTopic,
    producer: User,
    consumer: User,
    second: User,
    stranger: User,
    make_topic: MakeTopic,
) -> None:
    """Known, repeated, unknown, forbidden, hidden and wrong, in one transaction and in order."""
    make_topic("open", is_public=True)
    set_policy(topic, "cacheall")
    first, other = send_many(producer, 2)
    items = [
        (consumer, "topic", first),
        (consumer, "topic", first),
        (stranger, "topic", first),
        (stranger, "open", first),
        (producer, "topic", first),
        (consumer, "no slug", first),
        (consumer, "\x00", first),
        (consumer, "topic", uuid4()),
        (second, "topic", first),
        (second, "topic", other),
    ]
    outcomes = acknowledge_batch(
        [Acknowledging(Caller(user), slug, message_id) for user, slug, message_id in items]
    )
    assert codes(outcomes) == [
        "ACKNOWLEDGED",
        "ALREADY_ACKNOWLEDGED",
        "NOT_FOUND",
        "FORBIDDEN",
        "FORBIDDEN",
        "BAD_INPUT",
        "BAD_INPUT",
        "UNKNOWN",
        "ACKNOWLEDGED",
        "ACKNOWLEDGED",
    ]
    assert stored(topic) == [other]
    assert delivered(other) == {"second"}


def test_who_may_not_consume_may_not_acknowledge(
    topic: BrokerTopic, producer: User, stranger: User, anonymous: Caller
) -> None:
    """Who sees the topic is told so; others do not learn that it is there."""
    [message_id] = send_many(producer, 1)
    with pytest.raises(ForbiddenError):
        ack(producer, message_id)
    for user in (stranger, anonymous.user):
        with pytest.raises(NotFoundError):
            ack(user, message_id)
    with pytest.raises(BadInputError):
        ack(stranger, message_id, "a b")
    assert stored(topic) == [message_id]


@pytest.mark.parametrize("policy", ALL)
def test_queries_do_not_grow_with_the_batch(
    policy: str, topic: BrokerTopic, producer: User, consumer: User, second: User
) -> None:
    """Two messages or a hundred: the same number of queries."""
    set_policy(topic, policy)
    ids = send_many(producer, 104)

    def acknowledge_all(part: slice) -> None:
        acknowledge_batch([Acknowledging(Caller(consumer), "topic", each) for each in ids[part]])

    acknowledge_all(slice(0, 2))
    few = queries(lambda: acknowledge_all(slice(2, 4)))
    assert queries(lambda: acknowledge_all(slice(4, 104))) == few


def set_policy(topic: BrokerTopic, policy: str) -> None:
    """Change the rule of a topic."""
    BrokerTopic.objects.filter(pk=topic.pk).update(store_messages=policy)
