"""Whoever changes what a topic stores holds the topic's lock, so that one comes after the other."""

from __future__ import annotations

from dasf_broker.models import BrokerTopic


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
    locked = BrokerTopic.objects.select_for_update().filter(pk=topic.pk)
    for policy in locked.values_list("store_messages", flat=True):
        topic.store_messages = policy
        return True
    return False
