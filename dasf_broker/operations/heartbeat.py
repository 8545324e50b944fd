"""Ping and pong: ask the consumers of a topic to answer, and record the answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from django.db.models import Case, F, When

from dasf_broker import clock, primary
from dasf_broker.db_connections import retried
from dasf_broker.domain.envelope import Envelope
from dasf_broker.domain.events import Event, TopicPinged, TopicPonged
from dasf_broker.domain.times import present
from dasf_broker.exceptions import NotFoundError
from dasf_broker.models import BrokerTopic
from dasf_broker.operations.access import Access, access
from dasf_broker.operations.caller import Caller
from dasf_broker.operations.storage.events import new_event
from dasf_broker.operations.storage.lock import bounded, free_in_order, locked_in_order
from dasf_broker.realtime.announcer import announce_on_commit
from dasf_broker.signals import send_on_commit, topic_pinged, topic_ponged

if TYPE_CHECKING:
    from django.contrib.auth.models import User

#: The content of a ping to a backend module besides its id (SEED_API, the DASF protocol).
PING_PROPERTIES: dict[str, Any] = {
    "messageType": "ping",
    "requestContext": 1,
    "response_topic": "status-ping",
}


@dataclass(frozen=True, slots=True)
class Pinged:
    """A ping that was sent."""

    access: Access
    #: The time of the ping.
    pinged_at: datetime

    @property
    def topic(self) -> str:
        """The slug of the topic."""
        return self.access.topic.slug


@dataclass(frozen=True, slots=True)
class Ponged:
    """An answer that was recorded."""

    access: Access
    ponged_at: datetime
    #: Seconds since the last ping; ``None`` if there was none.
    round_trip_time: float | None


def ping(caller: Caller, slug: str) -> Pinged:
    """Ask the consumers of a topic to answer.

    Raises
    ------
    BadInputError
        This is not a slug.
    NotFoundError, ForbiddenError
        The caller may not see the topic, or not ping it.
    """
    found = access(caller, slug)
    found.require(found.rights.may_ping, to="ping")
    return Pinged(found, ping_topic(found.topic, caller.user_or_none))


def ping_topic(topic: BrokerTopic, user: User | None = None) -> datetime:
    """Ping a topic without checking rights; return the time."""
    return ping_topics([topic], user)


@retried
def ping_topics(topics: Sequence[BrokerTopic], user: User | None = None) -> datetime:
    """Ping topics in one transaction without checking rights; return the time.

    Parameters
    ----------
    topics
        Loaded with their response info.
    user
        The user who pings; ``None`` for the server itself.
    """
    now = clock.now()
    locked = locked_in_order([topic.pk for topic in topics])
    with primary.atomic():
        BrokerTopic.objects.filter(pk__in=locked).update(last_ping=now, last_pong=_past_pong(now))
        announce_on_commit([each for topic in topics for each in _ping_events(topic, user, now)])
        for topic in topics:
            topic.last_ping = now
            send_on_commit(
                topic_pinged, sender=BrokerTopic, topic=topic.slug, user=user, pinged_at=now
            )
    return now


def ping_unlocked_topics(topics: Sequence[BrokerTopic]) -> int:
    """Do as :func:`ping_topics` for those that no other transaction has locked; return how many."""
    with primary.atomic():
        free = {*free_in_order([topic.pk for topic in topics])}
        pinged = [topic for topic in topics if topic.pk in free]
        ping_topics(pinged)
    return len(pinged)


def _past_pong(now: datetime) -> Case:
    """Return the last pong, or nothing if it is in the future: it would answer this ping, too."""
    return Case(When(last_pong__lte=now, then=F("last_pong")), default=None)


def _ping_events(topic: BrokerTopic, user: User | None, now: datetime) -> Iterator[Event]:
    """Yield the events for the subscribers of pings, and those for backend modules."""
    yield TopicPinged(
        topic_id=topic.pk,
        topic_slug=topic.slug,
        pinged_at=now,
        user_id=None if user is None else str(user.pk),
    )
    envelope = Envelope(uuid4(), PING_PROPERTIES, payload="")
    yield new_event(user, topic, envelope, None, now)


@retried
def pong(caller: Caller, slug: str) -> Ponged:
    """Record that a consumer of a topic answered.

    Raises
    ------
    BadInputError
        This is not a slug.
    NotFoundError, ForbiddenError
        The caller may not see the topic, or not consume from it.
    """
    found = access(caller, slug)
    found.require(found.rights.may_pong, to="answer pings of")
    now = clock.now()
    with primary.atomic():
        locked = bounded(BrokerTopic.objects.select_for_update(no_key=True))
        topic = locked.filter(pk=found.topic.pk).first()
        if topic is None:  # deleted after its rights were read
            raise NotFoundError.topic(slug)
        round_trip, is_first = _round_trip(topic, now), _is_first_answer(topic, now)
        topic.last_pong = now
        if is_first:
            topic.round_trip_time = round_trip
        topic.save(update_fields=["last_pong", "round_trip_time"])
        announce_on_commit(
            [
                TopicPonged(
                    topic_id=topic.pk,
                    topic_slug=topic.slug,
                    pinged_at=topic.last_ping,
                    ponged_at=now,
                    round_trip_time=round_trip,
                    user_id=str(caller.user.pk),
                )
            ]
        )
        send_on_commit(
            topic_ponged,
            sender=BrokerTopic,
            topic=topic.slug,
            user=caller.user,
            ponged_at=now,
            round_trip_time=round_trip,
        )
    found.topic.last_ping, found.topic.last_pong = topic.last_ping, topic.last_pong
    found.topic.round_trip_time = topic.round_trip_time
    return Ponged(found, now, round_trip)


def _round_trip(topic: BrokerTopic, now: datetime) -> float | None:
    if topic.last_ping is None or topic.last_ping > present(now):
        return None
    # The clock of the server that sent the ping may be a little ahead.
    return max((now - topic.last_ping).total_seconds(), 0.0)


def _is_first_answer(topic: BrokerTopic, now: datetime) -> bool:
    if topic.last_pong is None or topic.last_pong > present(now):
        return True
    return topic.last_ping is not None and topic.last_pong < topic.last_ping
