"""The lock of a topic: each change of its stored messages holds it."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from dasf_broker.models import BrokerTopic
from dasf_broker.sql.compiled import Selection


def lock_topic(topic: BrokerTopic) -> bool:
    """Lock a topic against concurrent publishes, acknowledgements, removals and changes of rights.

    The lock lasts until the transaction ends. Without it, if the last consumer but one acknowledges
    while the last one loses the right, neither transaction would see the other one, and the
    message would stay.

    Returns
    -------
    bool
        Whether the topic still exists. Its policy has then been read again.
    """
    for (policy,) in _locked(topic.pk):
        topic.store_messages = policy
        return True
    return False


def locked_in_order(topic_ids: Collection[int]) -> Any:
    """Return a subquery for an update of topics that locks them in the order of their keys.

    Then two updates of several topics never deadlock.
    """
    topics = BrokerTopic.objects.select_for_update(no_key=True).filter(pk__in=topic_ids)
    return topics.order_by("pk").values("pk")


@Selection
def _locked(topic_id: int) -> Any:
    locked = BrokerTopic.objects.select_for_update().filter(pk=topic_id)
    return locked.order_by().values_list("store_messages")
