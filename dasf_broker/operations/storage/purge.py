"""Throw away all that is stored in a topic, whether somebody acknowledged it or not."""

from __future__ import annotations

from collections.abc import Iterable

from dasf_broker.models import BrokerTopic
from dasf_broker.operations.storage.removal import removing_up_to


def purge_messages(topics: Iterable[BrokerTopic]) -> int:
    """Remove all stored messages of the topics, without asking for rights.

    Works in steps of one transaction each. Cursors from before are answered ``CURSOR_EXPIRED``.
    What is published meanwhile stays.

    Returns
    -------
    int
        How many messages were removed.
    """
    return sum(_purge(topic) for topic in topics)


def _purge(topic: BrokerTopic) -> int:
    stored = topic.brokermessage_set.order_by("-sequence").values_list("sequence", flat=True)
    newest = stored.first()
    return 0 if newest is None else sum(removing_up_to(topic, newest))
