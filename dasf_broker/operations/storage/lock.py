"""The lock of a topic: every change of what the topic stores holds it, one after the other."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from dasf_broker.models import BrokerTopic
from dasf_broker.sql.compiled import Selection


def lock_topic(topic: BrokerTopic) -> bool:
    """Keep publishing, acknowledgements, removals, rights and the policy of a topic apart.

    Holds until the transaction ends. Without it the last acknowledgement, and the revoke of the
    right that is still missing, would at the same moment each see the other one's part undone,
    and the message would stay.

    Returns
    -------
    bool
        Whether the topic is still there. Its policy is then as it is now.
    """
    for (policy,) in _locked(topic.pk):
        topic.store_messages = policy
        return True
    return False


def locked_in_order(topic_ids: Collection[int]) -> Any:
    """Return a subquery for an update of topics that locks them in the order of their keys.

    So two updates of several topics never wait for each other.
    """
    topics = BrokerTopic.objects.select_for_update(no_key=True).filter(pk__in=topic_ids)
    return topics.order_by("pk").values("pk")


@Selection
def _locked(topic_id: int) -> Any:
    locked = BrokerTopic.objects.select_for_update().filter(pk=topic_id)
    return locked.order_by().values_list("store_messages")
