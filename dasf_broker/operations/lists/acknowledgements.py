"""The acknowledgements of many messages, and how many messages a user did not acknowledge."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from typing import Any, TypeAlias

from django.db.models import Count, Q

from dasf_broker.models import Acknowledgement, BrokerMessage
from dasf_broker.operations.lists.many import LISTS, batched
from dasf_broker.permissions import NOBODY

#: A stored message by topic and sequence; a pair of them is never used twice.
MessageKey: TypeAlias = tuple[int, int]


def delivered_to(
    keys: Collection[MessageKey], *, only: Any = None
) -> Mapping[MessageKey, frozenset[str]]:
    """Return for each message the users who acknowledged it: primary keys as text. Two queries.

    Parameters
    ----------
    only
        The primary key of a user: return only their acknowledgements. Nobody (``NOBODY``) has any.
    """
    delivered: dict[MessageKey, set[str]] = {key: set() for key in keys}
    if only is NOBODY:
        return {key: frozenset() for key in keys}
    stored = _stored(keys)
    # Not one query over both tables: a database without statistics would begin with everything
    # that the user ever acknowledged.
    rows = Acknowledgement.objects.filter(message__in=stored)
    if only is not None:
        rows = rows.filter(user=only)
    for message, user in rows.values_list("message_id", "user_id"):
        delivered[stored[message]].add(str(user))
    return {key: frozenset(users) for key, users in delivered.items()}


def count_outstanding(topic_ids: Collection[int], user_id: Any) -> Mapping[int, int]:
    """Return how many messages of each topic a user did not acknowledge; without zeros."""
    messages = BrokerMessage.objects.filter(topic__in=topic_ids).not_acknowledged_by(user_id)
    return dict(messages.order_by().values_list("topic").annotate(Count("pk")))


def _stored(keys: Collection[MessageKey]) -> dict[int, MessageKey]:
    sequences: dict[int, list[int]] = defaultdict(list)
    for topic, sequence in keys:
        sequences[topic].append(sequence)
    stored: dict[int, MessageKey] = {}
    for topics in batched(sequences, LISTS):
        wanted = Q()
        for topic in topics:
            wanted |= Q(topic=topic, sequence__in=sequences[topic])
        rows = BrokerMessage.objects.filter(wanted).order_by()
        for pk, topic, sequence in rows.values_list("pk", "topic", "sequence"):
            stored[pk] = (topic, sequence)
    return stored
