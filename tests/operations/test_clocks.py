"""Clocks that jump, both ways: what they wrote is unknown or due, and holds nothing up."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dasf_broker.auth.tokens import create_token, token_owners
from dasf_broker.domain.times import CLOCKS_DIFFER
from dasf_broker.models import (
    ApiToken,
    BrokerMessage,
    BrokerTopic,
    Lease,
    RememberedMessage,
    ResponseTopic,
)
from dasf_broker.operations.caller import Caller
from dasf_broker.operations.heartbeat import ping_topic, pong
from dasf_broker.operations.storage.response_topics import KEPT
from dasf_broker.operations.upkeep import response_topics, retention
from dasf_broker.operations.upkeep.lease import take_lease
from dasf_broker.operations.upkeep.pings import PING_AFTER, ping_due
from dasf_broker.operations.upkeep.schedule import LEASE, begin
from dasf_broker.permissions import Right, grant
from tests.operations.helpers import ack, housekeeping_round, queries, rolled_back, send, send_many

pytestmark = pytest.mark.django_db

NOW = timezone.now()
LENGTH, SECOND = 120.0, timedelta(seconds=1)

#: How far a clock was ahead or behind.
JUMPS = st.timedeltas(timedelta(days=-400), timedelta(days=400)) | st.sampled_from(
    [CLOCKS_DIFFER, -CLOCKS_DIFFER, CLOCKS_DIFFER + SECOND, timedelta(0), timedelta(minutes=2)]
)
quickly = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


@contextmanager
def at(moment: datetime) -> Iterator[None]:
    """Let the clock show a time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(timezone, "now", lambda: moment)
        yield


# --- leases -----------------------------------------------------------------------------------


@given(jumps=st.lists(JUMPS, min_size=1, max_size=4))
@quickly
def test_a_lease_is_never_longer_than_itself(jumps: list[timedelta]) -> None:
    """Whatever the clocks of earlier holders showed, the next one waits no longer than that."""
    with rolled_back():
        for number, jump in enumerate(jumps):
            take_lease("work", str(number), LENGTH, now=NOW + jump)
        later = timedelta(seconds=LENGTH) + CLOCKS_DIFFER
        assert take_lease("work", "next", LENGTH, now=NOW) or take_lease(
            "work", "next", LENGTH, now=NOW + later
        )


@given(skew=st.timedeltas(-CLOCKS_DIFFER, CLOCKS_DIFFER), later=st.floats(0, 200))
@quickly
def test_a_lease_holds_for_clocks_that_differ_a_little(skew: timedelta, later: float) -> None:
    """Also if the holder's is ahead."""
    with rolled_back():
        assert take_lease("work", "ann", LENGTH, now=NOW + skew)
        is_over = timedelta(seconds=later) >= timedelta(seconds=LENGTH) + skew
        asked = NOW + timedelta(seconds=later)
        assert take_lease("work", "bob", LENGTH, now=asked) is is_over


def test_a_lease_of_an_older_release() -> None:
    """It does not say for how long it was taken; the next holder's length counts."""
    Lease.objects.create(name=LEASE, holder="old", expires=NOW + timedelta(hours=3))
    assert begin("new") is not None


# --- pings ------------------------------------------------------------------------------------


@given(ping=JUMPS, answer=JUMPS)
@quickly
def test_no_ping_waits_for_a_jump(ping: timedelta, answer: timedelta) -> None:
    """A round pings each topic that was not pinged in the last minute, by the clock of now."""
    with rolled_back(), at(NOW):
        topic = BrokerTopic.objects.create(
            slug="topic", last_ping=NOW + ping, last_pong=NOW + answer
        )
        is_recent = -PING_AFTER < ping <= CLOCKS_DIFFER
        assert sum(ping_due(NOW)) == (not is_recent)
        topic.refresh_from_db()
        assert topic.last_ping == (NOW + ping if is_recent else NOW)


@given(ahead=st.timedeltas(SECOND, timedelta(days=400)), later=st.floats(0, 3600))
@quickly
def test_a_dead_topic_is_never_online(ahead: timedelta, later: float) -> None:
    """Its last answer came when a clock was ahead; it answers no ping, then and afterwards."""
    with rolled_back():
        topic = BrokerTopic.objects.create(slug="topic")
        BrokerTopic.objects.update(last_ping=NOW + ahead, last_pong=NOW + ahead)
        for moment in (NOW, NOW + timedelta(seconds=later), NOW + ahead, NOW + ahead + SECOND):
            with at(moment):
                ping_topic(topic)
                topic.refresh_from_db()
                assert topic.availability is False
                assert topic in BrokerTopic.objects.filter_offline()


@given(jump=JUMPS)
@quickly
def test_an_answer_counts_whatever_the_clock_was(jump: timedelta) -> None:
    """The topic is online when its consumers answer a ping of now; no time is negative."""
    with rolled_back():
        user, topic = User.objects.create_user("ann"), BrokerTopic.objects.create(slug="topic")
        grant(user, topic, Right.CONSUME)
        with at(NOW + jump):
            ping_topic(topic)
            pong(Caller(user), "topic")
        with at(NOW):
            assert (pong(Caller(user), "topic").round_trip_time or 0) >= 0
        with at(NOW + SECOND):
            ping_topic(topic)
        with at(NOW + 2 * SECOND):
            answer = pong(Caller(user), "topic")
            topic.refresh_from_db()
            assert (answer.round_trip_time, topic.round_trip_time) == (1, 1)
            assert topic.availability is True


# --- rows that are kept for some time ---------------------------------------------------------


def test_retention_goes_on_behind_a_message_of_the_future(
    topic: BrokerTopic, producer: User
) -> None:
    """It goes with the next one that is too old: it is older. Before, its age is not known."""
    BrokerTopic.objects.update(retention_age=60)
    topic.refresh_from_db()
    send_many(producer, 5)
    ages = {1: 100, 2: -3600, 3: 90, 4: -3600, 5: 30}
    for sequence, age in ages.items():
        rows = BrokerMessage.objects.filter(sequence=sequence)
        rows.update(date_created=NOW - timedelta(seconds=age))
    left = topic.brokermessage_set.order_by("sequence").values_list("sequence", flat=True)
    assert sum(retention.remove_due(NOW)) == 3
    assert [*left] == [4, 5]
    assert sum(retention.remove_due(NOW + timedelta(seconds=31))) == 2


@given(ages=st.lists(st.integers(-200, 200), max_size=8), limit=st.integers(1, 100))
@quickly
def test_retention_takes_none_that_is_young(
    ages: list[int], limit: int, topic: BrokerTopic, producer: User
) -> None:
    """And none behind it; and it leaves none that is known to be too old before the first young."""
    with rolled_back():
        BrokerTopic.objects.update(retention_age=limit)
        send_many(producer, len(ages))
        for sequence, age in enumerate(ages, 1):
            rows = BrokerMessage.objects.filter(sequence=sequence)
            rows.update(date_created=NOW - timedelta(seconds=age))
        removed = sum(retention.remove_due(NOW))
        young = [at for at, age in enumerate(ages) if -10 <= age < limit]
        old = [at for at, age in enumerate(ages) if age >= limit]
        before = [at for at in old if at < min(young, default=len(ages))]
        assert removed == max(before, default=-1) + 1


def test_ids_are_forgotten_in_time(
    topic: BrokerTopic, producer: User, consumer: User, settings: object
) -> None:
    """Also those that were removed while the clock was a year ahead."""
    settings.DASF_MESSAGE_ID_MEMORY = 60  # type: ignore[attr-defined]
    message = send(producer).message
    with at(NOW + timedelta(days=365)):
        ack(consumer, message.message_id)
    housekeeping_round(NOW)
    assert RememberedMessage.objects.get().forget_on == NOW + timedelta(seconds=60)
    assert housekeeping_round(NOW + timedelta(seconds=61)).forgotten == 1


@pytest.mark.parametrize("has_answer", [False, True])
def test_response_topics_go_in_time(has_answer: bool, topic: BrokerTopic, producer: User) -> None:
    """A mark or an answer of a clock that was a year ahead keeps none for a year."""
    year = NOW + timedelta(days=365)
    answers = ResponseTopic.objects.create(
        slug="answers", is_response_for=topic, garbage_collect_on=year
    )
    if has_answer:
        grant(producer, answers, Right.PRODUCE)
        send(producer, "answers", message_type="response")
        BrokerMessage.objects.update(date_created=year)
    assert sum(response_topics.remove_due(NOW)) == 0
    due = NOW + KEPT
    assert BrokerTopic.objects.get(slug="answers").garbage_collect_on == due
    assert sum(response_topics.remove_due(due)) == (not has_answer)
    assert sum(response_topics.remove_due(due + KEPT)) == has_answer


def test_the_last_use_of_a_token_is_of_the_past(stranger: User) -> None:
    """One of the future is replaced by the next use."""
    token, key = create_token(stranger)
    ApiToken.objects.filter(pk=token.pk).update(last_used=NOW + timedelta(days=9))
    with at(NOW):
        assert [*token_owners({key})] == [key]
    token.refresh_from_db()
    assert token.last_used == NOW


def test_marks_that_are_right_are_not_written(topic: BrokerTopic) -> None:
    """A round costs as many queries with many response topics as with one."""

    def make() -> None:
        slug = f"answers-{uuid4().hex}"
        ResponseTopic.objects.create(slug=slug, is_response_for=topic, garbage_collect_on=NOW)

    make()
    before = queries(lambda: [*response_topics.remove_due(NOW - SECOND)])
    for _ in range(5):
        make()
    assert queries(lambda: [*response_topics.remove_due(NOW - SECOND)]) == before
