"""Retention: what is too old, or too much, goes, oldest first, acknowledged or not."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from dasf_broker.domain.retention import MAX_RETENTION
from dasf_broker.exceptions import BadInputError
from dasf_broker.models import BrokerMessage, BrokerTopic, ResponseTopic
from dasf_broker.operations.caller import Caller
from dasf_broker.operations.storage import removal
from dasf_broker.operations.topics import TopicOptions, create_topic, update_topic
from dasf_broker.operations.upkeep import retention
from dasf_broker.operations.upkeep.schedule import Report, due
from tests.conftest import MakeTopic
from tests.operations.helpers import ack, housekeeping_round, queries, send_many, stored

NOW = timezone.now()


@pytest.mark.parametrize(
    ("limits", "ages", "kept"),
    [
        ({}, [100, 100, 100], 3),
        ({"retention_age": 60}, [100, 61, 59, 0], 2),
        ({"retention_age": 60}, [59, 59], 2),
        ({"retention_age": 60}, [100, 100], 0),
        # The clock was wrong for a while: nothing behind the first young one is removed.
        ({"retention_age": 60}, [100, 0, 100, 0], 3),
        ({"retention_count": 2}, [0, 0, 0], 2),
        ({"retention_count": 3}, [100, 100, 100], 3),
        ({"retention_count": 9}, [100], 1),
        ({"retention_age": 60, "retention_count": 2}, [100, 0, 0, 0], 2),
        ({"retention_age": 60, "retention_count": 2}, [100, 100, 100, 0], 1),
        ({"retention_age": 60, "retention_count": 2}, [], 0),
        ({"retention_age": MAX_RETENTION, "retention_count": MAX_RETENTION}, [100, 0], 2),
    ],
)
@pytest.mark.parametrize("policy", ["cache", "cacheall", "store", "disabled"])
def test_what_is_kept(
    policy: str,
    limits: dict[str, int],
    ages: list[int],
    kept: int,
    topic: BrokerTopic,
    producer: User,
) -> None:
    """The newest, whatever the policy; nobody acknowledged any."""
    ids = _messages(producer, ages)
    BrokerTopic.objects.update(store_messages=policy, **limits)
    assert retention.count_due(NOW) == len(ids) - kept
    assert sum(retention.remove_due(NOW)) == len(ids) - kept
    assert stored(topic) == ids[len(ids) - kept :]
    topic.refresh_from_db()
    assert (topic.expired_sequence, topic.last_sequence) == (len(ids) - kept, len(ids))
    assert sum(retention.remove_due(NOW)) == 0


def test_what_is_gone_makes_no_hole(topic: BrokerTopic, producer: User, consumer: User) -> None:
    """Cursors expire up to the last message that is removed, not further."""
    ids = _messages(producer, [100, 100, 100, 0])
    ack(consumer, ids[2])
    BrokerTopic.objects.update(retention_age=60)
    assert sum(retention.remove_due(NOW)) == 2
    topic.refresh_from_db()
    assert topic.expired_sequence == 2


@pytest.mark.parametrize("acknowledged", [True, False])
def test_where_nothing_is_removed_nothing_expires(
    acknowledged: bool, topic: BrokerTopic, producer: User, consumer: User
) -> None:
    """All was acknowledged, or all is young."""
    [message_id] = _messages(producer, [100 if acknowledged else 0])
    if acknowledged:
        ack(consumer, message_id)
    BrokerTopic.objects.update(retention_age=60, retention_count=1)
    assert list(retention.remove_due(NOW)) == []
    topic.refresh_from_db()
    assert topic.expired_sequence == 0


def test_an_expiry_is_never_taken_back(topic: BrokerTopic, producer: User) -> None:
    """Something else may have expired more."""
    _messages(producer, [100, 0])
    BrokerTopic.objects.update(retention_age=60, expired_sequence=2)
    assert sum(retention.remove_due(NOW)) == 1
    topic.refresh_from_db()
    assert topic.expired_sequence == 2


def test_steps_are_small(
    topic: BrokerTopic, producer: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first one expires all that will go, before the rest of it is gone."""
    monkeypatch.setattr(removal, "STEP", 2)
    ids = _messages(producer, [100] * 5)
    BrokerTopic.objects.update(retention_age=60)
    steps = retention.remove_due(NOW)
    assert next(steps) == 2
    topic.refresh_from_db()
    assert (stored(topic), topic.expired_sequence) == (ids[2:], 5)
    assert list(steps) == [2, 1]


def test_all_topics_are_looked_at(
    topic: BrokerTopic, producer: User, make_topic: MakeTopic, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Page by page, response topics too; one that is deleted meanwhile does no harm."""
    monkeypatch.setattr(retention, "STEP", 2)
    ResponseTopic.objects.create(slug="answers", is_response_for=topic, retention_count=1)
    for slug in ("a", "b", "c"):
        make_topic(slug, is_public=True, retention_count=1)
    BrokerTopic.objects.filter(slug="answers").update(is_public=True)
    for slug in ("answers", "a", "b", "c"):
        send_many(producer, 3, slug, message_type="response")
    steps = retention.remove_due(NOW)
    assert next(steps) == 2
    BrokerTopic.objects.get(slug="a").delete()
    assert sum(steps) == 4


def test_housekeeping_does_it(topic: BrokerTopic, producer: User) -> None:
    """It says so, and knew before about how much there is to do."""
    send_many(producer, 3)
    BrokerTopic.objects.update(retention_count=1, last_ping=timezone.now())
    assert due(timezone.now()) == 2
    assert housekeeping_round() == Report(retired=2)
    assert housekeeping_round() == Report()


def test_topics_without_limits_cost_nothing(make_topic: MakeTopic) -> None:
    """The number of queries does not grow with them."""
    before = queries(lambda: list(retention.remove_due(NOW)))
    for number in range(20):
        make_topic(f"topic-{number}")
    assert queries(lambda: list(retention.remove_due(NOW))) == before == 1


@pytest.mark.parametrize("option", ["retention_age", "retention_count"])
@pytest.mark.parametrize("value", [0, -1, MAX_RETENTION + 1, 2**63])
def test_limits_that_are_none(option: str, value: int, topic: BrokerTopic, superuser: User) -> None:
    """Are told apart by the name that callers know, and nothing is changed."""
    chosen: dict[str, Any] = {option: value}
    field = option.replace("_a", "A").replace("_c", "C")
    for act, slug in ((update_topic, "topic"), (create_topic, "new")):
        with pytest.raises(BadInputError) as caught:
            act(Caller(superuser), slug, TopicOptions(**chosen))
        assert caught.value.details == {"field": field}
    assert not BrokerTopic.objects.filter(slug="new").exists()


def test_limits_are_set_and_taken_away(topic: BrokerTopic, superuser: User) -> None:
    """What is not named stays."""
    root = Caller(superuser)
    limits: list[Any] = [
        (TopicOptions(retention_age=1, retention_count=MAX_RETENTION), (1, MAX_RETENTION)),
        (TopicOptions(is_public=True), (1, MAX_RETENTION)),
        (TopicOptions(retention_age=""), (None, MAX_RETENTION)),
        (TopicOptions(retention_age=2, retention_count=""), (2, None)),
    ]
    for options, expected in limits:
        update_topic(root, "topic", options)
        topic.refresh_from_db()
        assert (topic.retention_age, topic.retention_count) == expected
    created = create_topic(root, "new", TopicOptions(retention_count=3)).topic
    assert (created.retention_age, created.retention_count) == (None, 3)


def _messages(producer: User, ages: list[int]) -> list[Any]:
    """Publish messages; return their ids. Each was published so many seconds before ``NOW``."""
    ids = send_many(producer, len(ages))
    for message_id, age in zip(ids, ages, strict=True):
        published = NOW - timedelta(seconds=age)
        BrokerMessage.objects.filter(message_id=message_id).update(date_created=published)
    return ids
