"""Ping the topics that support DASF every minute, so that their availability is known."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.db.models import F, Q

from dasf_broker.domain.times import present
from dasf_broker.models import BrokerTopic, BrokerTopicQuerySet
from dasf_broker.operations.heartbeat import ping_unlocked_topics

#: How long after a ping the next one is due: a little less than the time between two rounds.
#: Otherwise a topic may be not quite due, be pinged every other round, and be unknown in between.
PING_AFTER = timedelta(seconds=55)

#: Topics pinged in one transaction.
STEP = 50

#: How many topics without an answer to their last ping are pinged in one round. Each costs an
#: announcement that mostly reaches no consumer, and there may be very many such topics.
SILENT = 2_000


def ping_due(now: datetime) -> Iterator[int]:
    """Ping the topics that are due, and yield how many each step pinged.

    These are all topics whose consumers answered the last ping and, of the others, those that
    have waited longest.
    """
    waiting = _silent(now).order_by(F("last_ping").asc(nulls_first=True), "pk")
    # Read first: a topic has no answer in the moment after its ping.
    silent = [*waiting.values_list("pk", flat=True)[:SILENT]]
    topics: BrokerTopicQuerySet = BrokerTopic.objects.with_response_info()
    for page in _answering(now).with_response_info().pages(STEP):
        yield ping_unlocked_topics(page)
    for start in range(0, len(silent), STEP):
        page = [*topics.filter(pk__in=silent[start : start + STEP])]
        yield ping_unlocked_topics(page)


def count_due(now: datetime) -> int:
    """Return how many topics :func:`ping_due` would ping."""
    return _answering(now).count() + _silent(now)[:SILENT].count()


def _due(now: datetime) -> BrokerTopicQuerySet:
    # A ping in the future was sent by a server whose clock was ahead.
    is_old = Q(last_ping__lte=now - PING_AFTER) | Q(last_ping__gt=present(now))
    due = Q(last_ping__isnull=True) | is_old
    topics: BrokerTopicQuerySet = BrokerTopic.objects.filter(due, supports_dasf=True)
    return topics.filter(responsetopic__isnull=True)


def _answering(now: datetime) -> BrokerTopicQuerySet:
    return _due(now).filter(_has_answer(now))


def _silent(now: datetime) -> BrokerTopicQuerySet:
    never = Q(last_ping__isnull=True) | Q(last_pong__isnull=True)
    return _due(now).filter(never | ~_has_answer(now))


def _has_answer(now: datetime) -> Q:
    return Q(last_pong__gte=F("last_ping"), last_pong__lte=present(now))
