"""What nobody asks for and must be done all the same."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

from django.db import transaction

from dasf_broker.domain.storage import StoragePolicy, is_settled
from dasf_broker.models import Acknowledgement, BrokerMessage, BrokerTopic
from dasf_broker.permissions import consumers_by_topic

#: Messages looked at in one transaction.
STEP = 500


def remove_settled(topics: Iterable[BrokerTopic]) -> int:
    """Remove the messages that nobody owes an acknowledgement any more.

    Needed when a right is taken away or a policy changes: an acknowledgement removes what it
    settles by itself.

    Returns
    -------
    int
        How many messages were removed.
    """
    passing = [topic for topic in topics if topic.storage_policy is not StoragePolicy.STORE]
    consumers = consumers_by_topic(passing) if passing else {}
    return sum(_remove_settled_of(topic, consumers[topic.pk]) for topic in passing)


def delete_settled(
    topic: BrokerTopic, messages: Sequence[BrokerMessage], consumers: AbstractSet[Any]
) -> set[int]:
    """Remove those of the locked messages that the storage rule calls settled.

    Returns
    -------
    set
        The primary keys of the messages that were removed.
    """
    delivered = delivered_by_message(messages)
    settled = {
        message.pk
        for message in messages
        if is_settled(topic.storage_policy, delivered_to=delivered[message.pk], consumers=consumers)
    }
    if settled:
        BrokerMessage.objects.filter(pk__in=settled).delete()
    return settled


def delivered_by_message(messages: Iterable[BrokerMessage]) -> dict[int, set[Any]]:
    """Return the primary keys of who acknowledged each of the messages. One query."""
    delivered: dict[int, set[Any]] = {message.pk: set() for message in messages}
    rows = Acknowledgement.objects.filter(message__in=delivered)
    for message_id, user_id in rows.values_list("message_id", "user_id"):
        delivered[message_id].add(user_id)
    return delivered


def _remove_settled_of(topic: BrokerTopic, consumers: AbstractSet[Any]) -> int:
    removed, position = 0, 0
    while True:
        with transaction.atomic():
            page = _acknowledged_after(topic, position)
            removed += len(delete_settled(topic, page, consumers))
        if len(page) < STEP:
            return removed
        position = page[-1].sequence


def _acknowledged_after(topic: BrokerTopic, position: int) -> list[BrokerMessage]:
    acknowledged = Acknowledgement.objects.filter(message__topic=topic).values("message")
    messages = topic.brokermessage_set.select_for_update().after(position)
    return list(messages.filter(pk__in=acknowledged).order_by("sequence")[:STEP])
