"""Ping and pong: what is noted, who may, and who is told."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from pytest_django import DjangoCaptureOnCommitCallbacks

from dasf_broker.domain.events import Event, MessagePublished, TopicPinged, TopicPonged
from dasf_broker.exceptions import BadInputError, ForbiddenError, NotFoundError
from dasf_broker.models import BrokerTopic
from dasf_broker.operations import heartbeat
from dasf_broker.operations.access import Access, access
from dasf_broker.operations.caller import Caller
from dasf_broker.operations.heartbeat import ping, pong
from tests.conftest import MakeTopic
from tests.operations.conftest import Signalled

START = timezone.now()


class Clock:
    """A clock that stands still until it is told to go on."""

    def __init__(self) -> None:
        self.time = START

    def now(self) -> datetime:
        """Return the time."""
        return self.time

    def pass_by(self, seconds: float) -> None:
        """Let time pass."""
        self.time += timedelta(seconds=seconds)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Return the clock by which pings and pongs are noted."""
    clock = Clock()
    monkeypatch.setattr(timezone, "now", clock.now)
    return clock


def test_a_ping_and_its_answer(
    topic: BrokerTopic, producer: User, consumer: User, clock: Clock
) -> None:
    """Offline until somebody answers; the time between is the round trip."""
    assert ping(Caller(producer), "topic").pinged_at == START
    assert fresh(topic).availability is False
    clock.pass_by(1.5)
    outcome = pong(Caller(consumer), "topic")
    assert (outcome.ponged_at, outcome.round_trip_time) == (START + timedelta(seconds=1.5), 1.5)
    assert outcome.access.topic.round_trip_time == 1.5
    assert fresh(topic).availability is True
    clock.pass_by(120)
    assert fresh(topic).availability is None


def test_the_first_answer_is_the_round_trip(
    topic: BrokerTopic, producer: User, consumer: User, clock: Clock
) -> None:
    """Several consumers answer the same ping; the topic keeps the quickest."""
    round_trips = []
    for seconds in (0.5, 2):
        ping(Caller(producer), "topic")
        for _ in range(2):
            clock.pass_by(seconds)
            told = pong(Caller(consumer), "topic").round_trip_time
            round_trips.append((told, fresh(topic).round_trip_time))
        clock.pass_by(1)
    assert round_trips == [(0.5, 0.5), (1.0, 0.5), (2.0, 2.0), (4.0, 2.0)]


def test_an_answer_without_a_ping(topic: BrokerTopic, consumer: User, clock: Clock) -> None:
    """It is noted, but says nothing about the availability; a later ping needs its own."""
    assert pong(Caller(consumer), "topic").round_trip_time is None
    assert fresh(topic).last_pong == START
    assert fresh(topic).availability is None
    clock.pass_by(1)
    fresh(topic).ping()
    assert fresh(topic).availability is False


def test_who_may(
    topic: BrokerTopic, producer: User, consumer: User, stranger: User, superuser: User
) -> None:
    """Producers ping, consumers answer."""
    ping(Caller(superuser), "topic")
    pong(Caller(superuser), "topic")
    with pytest.raises(ForbiddenError, match="may not ping"):
        ping(Caller(consumer), "topic")
    with pytest.raises(ForbiddenError, match="may not answer pings of"):
        pong(Caller(producer), "topic")
    for verb in (ping, pong):
        with pytest.raises(NotFoundError):
            verb(Caller(stranger), "topic")
        with pytest.raises(BadInputError):
            verb(Caller(producer), "a b")


@pytest.mark.parametrize("verb", [ping, pong])
def test_a_topic_that_is_deleted_meanwhile(
    verb: Any, topic: BrokerTopic, superuser: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After its rights were looked up: a ping goes nowhere, and an answer is to nothing."""

    def look_up_and_delete(caller: Caller, slug: str) -> Access:
        found = access(caller, slug)
        BrokerTopic.objects.all().delete()
        return found

    monkeypatch.setattr(heartbeat, "access", look_up_and_delete)
    if verb is ping:
        assert ping(Caller(superuser), "topic").pinged_at
    else:
        with pytest.raises(NotFoundError, match="'topic'"):
            pong(Caller(superuser), "topic")
    assert not BrokerTopic.objects.exists()


def test_everybody_may_ping_a_public_topic(make_topic: MakeTopic, anonymous: Caller) -> None:
    """But only consumers may answer."""
    topic = make_topic("open", is_public=True, supports_dasf=True)
    ping(anonymous, "open")
    assert fresh(topic).availability is False
    with pytest.raises(ForbiddenError):
        pong(anonymous, "open")


def test_listeners_and_the_host_are_told(
    topic: BrokerTopic,
    producer: User,
    consumer: User,
    announced: list[Event],
    signalled: Signalled,
    clock: Clock,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    """A ping goes out as an event and as a message for backend modules, which is not stored."""
    with django_capture_on_commit_callbacks(execute=True):
        ping(Caller(producer), "topic")
        pong(Caller(consumer), "topic")
    pinged, message, ponged = announced
    names: dict[str, Any] = {"topic_id": topic.pk, "topic_slug": "topic"}
    assert pinged == TopicPinged(**names, pinged_at=START, user_id=str(producer.pk))
    assert ponged == TopicPonged(
        **names, pinged_at=START, ponged_at=START, round_trip_time=0.0, user_id=str(consumer.pk)
    )
    assert isinstance(message, MessagePublished)
    assert message.sequence is None
    assert message.content["properties"] == heartbeat.PING_PROPERTIES
    assert not topic.brokermessage_set.exists()
    sent: dict[str, Any] = {"sender": BrokerTopic, "topic": "topic"}
    assert signalled == [
        ("topic_pinged", {**sent, "user": producer, "pinged_at": START}),
        (
            "topic_ponged",
            {**sent, "user": consumer, "ponged_at": START, "round_trip_time": 0.0},
        ),
    ]


def test_the_server_may_ping_by_itself(
    topic: BrokerTopic,
    signalled: Signalled,
    announced: list[Event],
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    """Nobody in person is then named."""
    with django_capture_on_commit_callbacks(execute=True):
        topic.ping()
    assert topic.last_ping == fresh(topic).last_ping is not None
    assert [values["user"] for _, values in signalled] == [None]
    assert {event.user_id for event in announced} == {None}  # type: ignore[attr-defined]


def fresh(topic: BrokerTopic) -> BrokerTopic:
    """Return the topic as it is in the database."""
    found: BrokerTopic = BrokerTopic.objects.get(pk=topic.pk)
    return found
