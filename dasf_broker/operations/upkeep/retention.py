"""Retention: remove the messages of a topic that are too old or too many.

Messages without an acknowledgement are removed, too. Subscribers do not receive them any more; a
cursor before them is answered with ``CURSOR_EXPIRED``.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q

from dasf_broker.domain.times import present
from dasf_broker.models import BrokerTopic
from dasf_broker.operations.storage.removal import remove_up_to

#: Topics read in one step.
STEP = 100


def remove_due(now: datetime) -> Iterator[int]:
    """Apply the retention of all topics, and yield how many messages each small step removed."""
    for topic, boundary in _overdue(now):
        yield from remove_up_to(topic, boundary, unless_locked=True)


def count_due(now: datetime) -> int:
    """Return how many messages :func:`remove_due` would remove."""
    return sum(
        topic.brokermessage_set.filter(sequence__lte=boundary).count()
        for topic, boundary in _overdue(now)
    )


def _overdue(now: datetime) -> Iterator[tuple[BrokerTopic, int]]:
    """Yield the topics with messages to remove, each with the sequence of the last of them."""
    limited = Q(retention_age__isnull=False) | Q(retention_count__isnull=False)
    for page in BrokerTopic.objects.filter(limited).pages(STEP):
        for topic in page:
            boundaries = (_last_too_old(topic, now), _last_too_many(topic))
            if found := [each for each in boundaries if each is not None]:
                yield topic, max(found)


def _last_too_old(topic: BrokerTopic, now: datetime) -> int | None:
    if topic.retention_age is None:
        return None
    # In the order of sequences: a clock that was wrong for a while leaves no gap. A message of the
    # future says nothing. It goes with the next one that is too old, because it is older.
    rows = topic.brokermessage_set.order_by("sequence")
    limit = now - timedelta(seconds=topic.retention_age)
    first_young = _first_sequence(
        rows.filter(date_created__gt=limit, date_created__lte=present(now))
    )
    if first_young is not None:
        rows = rows.filter(sequence__lt=first_young)
    return _first_sequence(rows.filter(date_created__lte=limit).reverse())


def _last_too_many(topic: BrokerTopic) -> int | None:
    if topic.retention_count is None:
        return None
    newest = topic.brokermessage_set.order_by("-sequence")
    return _first_sequence(newest[topic.retention_count :])


def _first_sequence(rows: Any) -> int | None:
    for sequence in rows.values_list("sequence", flat=True)[:1]:
        return int(sequence)
    return None
