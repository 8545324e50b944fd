"""Remove response topics that are no longer needed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from django.db.models import Exists, OuterRef, Q

from dasf_broker import primary
from dasf_broker.db_connections import retried
from dasf_broker.domain.times import present
from dasf_broker.models import BrokerMessage, BrokerTopic, BrokerTopicQuerySet
from dasf_broker.operations.storage.lock import free_in_order, try_to_lock
from dasf_broker.operations.storage.response_topics import KEPT, KEPT_STEP

#: Topics read in one step.
STEP = 500


def remove_due(now: datetime, topics: BrokerTopicQuerySet | None = None) -> Iterator[int]:
    """Remove response topics that are due and have nothing outstanding, one by one.

    An answer that no consumer acknowledged within ``KEPT`` does not keep its topic any longer.
    Yields how many topics each step removed.

    Parameters
    ----------
    now
        The current time.
    topics
        Remove only some of these; without it some of all.
    """
    among: BrokerTopicQuerySet = BrokerTopic.objects.all() if topics is None else topics
    _shorten(now, among)
    due = among.filter(_is_due(now), responsetopic__isnull=False)
    for page in due.with_response_info().pages(STEP):
        for topic in page:
            # One by one, so that other writes can run between them.
            yield _remove(topic, now)


def _shorten(now: datetime, among: BrokerTopicQuerySet) -> None:
    """Let topics be removed in time that a clock which was ahead wanted to keep for longer."""
    latest = now + KEPT
    ahead = among.filter(garbage_collect_on__gt=latest + KEPT_STEP, responsetopic__isnull=False)
    for page in ahead.pages(STEP):
        with primary.atomic():
            topics = BrokerTopic.objects.filter(pk__in=free_in_order([each.pk for each in page]))
            topics.filter(garbage_collect_on__gt=latest).update(garbage_collect_on=latest)


@retried
def _remove(topic: BrokerTopic, now: datetime) -> int:
    with primary.atomic():
        # Checked again under a lock: a consumer or a message may have arrived.
        if (
            not try_to_lock(topic)
            or not BrokerTopic.objects.filter(_is_due(now), pk=topic.pk).exists()
        ):
            return 0
        topic.delete()
        return 1


def _is_due(now: datetime) -> Q:
    answers = BrokerMessage.objects.filter(topic=OuterRef("pk"), delivered_to__isnull=True)
    expected = answers.filter(date_created__gt=now - KEPT, date_created__lte=present(now))
    # When these were published is not known; they are expected for some time, too.
    of_the_future = answers.filter(date_created__gt=present(now))
    is_long_due = Q(garbage_collect_on__lte=now - KEPT)
    return Q(~Exists(expected), is_long_due | ~Exists(of_the_future), garbage_collect_on__lte=now)
