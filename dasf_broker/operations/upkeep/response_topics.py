"""Remove response topics that are no longer needed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from django.db.models import Exists, OuterRef, Q

from dasf_broker import primary
from dasf_broker.models import BrokerMessage, BrokerTopic, BrokerTopicQuerySet
from dasf_broker.operations.auto_create import ANSWERS_KEPT
from dasf_broker.operations.storage.lock import lock_topic
from dasf_broker.operations.topics import delete_with_answers

#: Topics read in one step.
STEP = 500


def remove_due(now: datetime, topics: BrokerTopicQuerySet | None = None) -> Iterator[int]:
    """Remove response topics that are due and have nothing outstanding, one by one.

    An answer that no consumer acknowledged within ``ANSWERS_KEPT`` does not keep its topic any
    longer. Yields how many topics each step removed.

    Parameters
    ----------
    now
        The current time.
    topics
        Remove only some of these; without it some of all.
    """
    among: BrokerTopicQuerySet = BrokerTopic.objects.all() if topics is None else topics
    due = among.filter(_is_due(now), responsetopic__isnull=False)
    for page in due.with_response_info().pages(STEP):
        for topic in page:
            # One by one, so that other writes can run between them.
            yield _remove(topic, now)


def _remove(topic: BrokerTopic, now: datetime) -> int:
    with primary.atomic():
        # Checked again under a lock: a consumer or a message may have arrived.
        lock_topic(topic)
        if not BrokerTopic.objects.filter(_is_due(now), pk=topic.pk).exists():
            return 0
        delete_with_answers(topic)
        return 1


def _is_due(now: datetime) -> Q:
    answers = BrokerMessage.objects.filter(topic=OuterRef("pk"), delivered_to__isnull=True)
    expected = answers.filter(date_created__gt=now - ANSWERS_KEPT)
    return Q(~Exists(expected), garbage_collect_on__lte=now)
