"""The capacity of topics: the next sequence, and whether a topic takes another message."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from django.db.models import Count, OuterRef, Subquery

from dasf_broker import app_settings
from dasf_broker.exceptions import NotFoundError, TopicFullError
from dasf_broker.models import BrokerMessage, BrokerTopic
from dasf_broker.operations.storage.lock import locking


class Capacity:
    """How many messages the locked topics of a batch hold and still take. One query, seldom two.

    Parameters
    ----------
    topic_ids
        Primary keys of the topics to lock.
    wanted
        For each message to store, the primary key of its topic.
    """

    def __init__(self, topic_ids: Collection[int], wanted: Iterable[int]) -> None:
        self._limit: int = app_settings.DASF_MAX_BACKLOG
        self._last: dict[int, int] = {}
        self._stored: dict[int, int] = {}
        self._given: Counter[int] = Counter()
        if topic_ids:
            self._lock(topic_ids)
            self._count(Counter(wanted))
        self._missing = set(topic_ids) - set(self._last)

    @property
    def last_sequences(self) -> Mapping[int, int]:
        """The newest sequence of each topic."""
        return self._last

    def check_exists(self, topic: BrokerTopic) -> None:
        """Check that a topic that should be locked still exists.

        Raises
        ------
        NotFoundError
            It was deleted after its rights were read.
        """
        if topic.pk in self._missing:
            raise NotFoundError.topic(topic.slug)

    def check_not_full(self, topic: BrokerTopic) -> None:
        """Check that the topic takes another message.

        Raises
        ------
        TopicFullError
            It holds as many messages as it may.
        """
        if self._stored[topic.pk] >= self._limit:
            raise TopicFullError(
                f"The topic {topic.slug!r} holds {self._limit} messages, as many as it may. "
                "Acknowledge some, and try again.",
                topic=topic.slug,
                limit=self._limit,
            )

    def next_sequence(self, topic: BrokerTopic) -> int:
        """Return the sequence of the next message, and count that message from now on."""
        self._last[topic.pk] += 1
        self._stored[topic.pk] += 1
        self._given[topic.pk] += 1
        return self._last[topic.pk]

    def restart(self) -> None:
        """Take back all sequences that were given."""
        for topic_id, count in self._given.items():
            self._last[topic_id] -= count
            self._stored[topic_id] -= count
        self._given.clear()

    def _lock(self, topic_ids: Collection[int]) -> None:
        # The lock makes the order of commits the order of sequences.
        for topic_id, last, first in _locked(topic_ids):
            self._last[topic_id] = last
            # The sequences from the oldest to the last are an upper bound for the count. The oldest
            # may have been read before we waited for the lock. Then it is too low, which does no
            # harm; or there was none, which says nothing about now.
            self._stored[topic_id] = last - (first or 1) + 1

    def _count(self, wanted: Mapping[int, int]) -> None:
        maybe_full = [
            topic_id
            for topic_id, more in wanted.items()
            if topic_id in self._stored and self._stored[topic_id] + more > self._limit
        ]
        if maybe_full:
            rows = BrokerMessage.objects.filter(topic__in=maybe_full).order_by()
            counts = dict(rows.values_list("topic").annotate(Count("pk")))
            self._stored |= {topic_id: counts.get(topic_id, 0) for topic_id in maybe_full}


@locking
def _locked(topic_ids: Collection[int]) -> Any:
    """Lock topics; return of each its key, the sequence given last, and the oldest stored."""
    oldest = BrokerMessage.objects.filter(topic=OuterRef("pk")).order_by("sequence")
    topics = BrokerTopic.objects.select_for_update(of=("self",), no_key=True).filter(
        pk__in=topic_ids
    )
    heads = topics.annotate(oldest=Subquery(oldest.values("sequence")[:1]))
    # In the order of their keys, so that two batches never wait for each other.
    return heads.order_by("pk").values_list("pk", "last_sequence", "oldest")
