"""Begin a new epoch of topics: their cursors so far are not honoured any more."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from dasf_broker import primary
from dasf_broker.domain.epochs import next_epoch
from dasf_broker.models import BrokerTopic, BrokerTopicQuerySet

#: Topics that begin a new epoch in one transaction.
STEP = 500


@primary.atomic()
def begin_epochs(seen: Mapping[int, int]) -> int:
    """Begin a new epoch of each topic, unless one began since; return of how many.

    Parameters
    ----------
    seen
        The epoch that each topic had, by its primary key.
    """
    # In the order of their keys, so that two processes never wait for each other.
    return sum(
        BrokerTopic.objects.filter(pk=topic_id, epoch=epoch).update(epoch=next_epoch(epoch))
        for topic_id, epoch in sorted(seen.items())
    )


def begin_all_epochs(topics: BrokerTopicQuerySet) -> Iterator[int]:
    """Begin a new epoch of each of the topics, and yield of how many in each small step."""
    for page in topics.only("pk", "epoch").pages(STEP):
        yield begin_epochs({topic.pk: topic.epoch for topic in page})
