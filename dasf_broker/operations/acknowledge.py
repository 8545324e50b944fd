"""Acknowledge messages: the consumer has processed them and does not want them again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from enum import StrEnum
from operator import attrgetter
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from dasf_broker import clock, primary
from dasf_broker.db_connections import retried
from dasf_broker.domain.cursors import sequence_in
from dasf_broker.domain.slugs import check_slug
from dasf_broker.domain.storage import StoragePolicy
from dasf_broker.exceptions import BrokerError
from dasf_broker.models import Acknowledgement, BrokerMessage, BrokerTopic
from dasf_broker.operations.access import Access, AccessTable, consumable
from dasf_broker.operations.caller import Caller
from dasf_broker.operations.storage.lock import lock_topic
from dasf_broker.operations.storage.settlement import delete_settled, delivered_by_message
from dasf_broker.permissions import consumers_by_topic
from dasf_broker.signals import message_acknowledged, send_on_commit
from dasf_broker.sql.bulk_insert import BulkInsert
from dasf_broker.sql.compiled import Selection

#: Messages acknowledged in one transaction when a caller acknowledges up to a cursor.
STEP = 500


class AcknowledgeStatus(StrEnum):
    """The result of an acknowledgement."""

    #: The message is acknowledged.
    ACKNOWLEDGED = "ACKNOWLEDGED"
    #: The caller had acknowledged the message before.
    ALREADY_ACKNOWLEDGED = "ALREADY_ACKNOWLEDGED"
    #: The message does not exist (any more).
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, slots=True)
class Acknowledging:
    """A message that a caller wants to acknowledge."""

    caller: Caller
    slug: str
    message_id: UUID


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """The outcome of an acknowledgement."""

    #: The id of the message.
    message_id: UUID
    #: The result.
    status: AcknowledgeStatus
    #: Whether the message was removed, because no consumer still needs it.
    removed: bool = False


@retried
def acknowledge_batch(items: Sequence[Acknowledging]) -> list[Acknowledged | BrokerError]:
    """Acknowledge messages in one transaction.

    A refused acknowledgement does not affect the others. To acknowledge a message twice, or one
    that is gone, is an answer and not an error. The number of queries grows with the number of
    topics, not of messages.
    """
    outcomes: list[Acknowledged | BrokerError | None] = [None] * len(items)
    by_topic: dict[int, list[tuple[int, Access, UUID]]] = defaultdict(list)
    with primary.atomic():
        table = AccessTable([(item.caller, item.slug) for item in items])
        for index, item in enumerate(items):
            try:
                found = table.get(item.caller, check_slug(item.slug)).to_acknowledge()
            except BrokerError as error:
                outcomes[index] = error
            else:
                by_topic[found.topic.pk].append((index, found, item.message_id))
        # In the order of their keys, so that two batches never wait for each other.
        for _, group in sorted(by_topic.items()):
            for index, outcome in _acknowledge_in_topic(group):
                outcomes[index] = outcome
    return [outcome for outcome in outcomes if outcome is not None]


def acknowledge(item: Acknowledging) -> Acknowledged:
    """Acknowledge one message.

    Raises
    ------
    BadInputError
        The topic is not a slug.
    NotFoundError, ForbiddenError
        The caller may not see the topic, or not consume from it.
    """
    [outcome] = acknowledge_batch([item])
    if isinstance(outcome, BrokerError):
        raise outcome
    return outcome


def outstanding_up_to(
    caller: Caller, slug: str, cursor: str, position: int
) -> list[tuple[int, Acknowledging]]:
    """Return the messages to acknowledge up to a cursor, each with its sequence.

    Parameters
    ----------
    position
        The sequence behind which this step begins; a step has at most :data:`STEP` items.

    Raises
    ------
    BadInputError
        The cursor is not one of this topic.
    CursorExpiredError
        The database went back since the topic gave the cursor.
    NotFoundError, ForbiddenError
        The caller may not see the topic, or not consume from it.
    """
    found = consumable(caller, slug)
    last = sequence_in(found.topic.pk, found.topic.head, cursor, field="upTo")
    rows = found.topic.brokermessage_set.after(position).filter(sequence__lte=last)
    outstanding = rows.not_acknowledged_by(caller.row_key).order_by("sequence")
    page = outstanding.values_list("sequence", "message_id")[:STEP]
    return [(sequence, Acknowledging(caller, slug, each)) for sequence, each in page]


def count_fresh(outcomes: Iterable[Acknowledged | BrokerError]) -> int:
    """Return how many messages were acknowledged for the first time."""
    return sum(
        isinstance(each, Acknowledged) and each.status is AcknowledgeStatus.ACKNOWLEDGED
        for each in outcomes
    )


def _acknowledge_in_topic(
    group: Sequence[tuple[int, Access, UUID]],
) -> list[tuple[int, Acknowledged]]:
    topic = group[0][1].topic
    exists = lock_topic(topic)
    rows = _locked(topic, {message_id for _, _, message_id in group}) if exists else {}
    delivered = delivered_by_message(rows.values())
    fresh: set[tuple[int, Any]] = set()
    statuses = []
    for index, found, message_id in group:
        user_id, row = found.caller.user.pk, rows.get(message_id)
        if row is None:
            status = AcknowledgeStatus.UNKNOWN
        elif user_id in delivered[row.pk]:
            status = AcknowledgeStatus.ALREADY_ACKNOWLEDGED
        else:
            status = AcknowledgeStatus.ACKNOWLEDGED
            delivered[row.pk].add(user_id)
            fresh.add((row.pk, user_id))
        statuses.append((index, found, message_id, status))
    removed = _remove(topic, [*rows.values()], delivered) if fresh else set()
    now = clock.now()
    # A removed message loses its acknowledgements, too.
    _insert([(*each, now) for each in sorted(fresh) if each[0] not in removed])
    outcomes = []
    for index, found, message_id, status in statuses:
        gone = message_id in rows and rows[message_id].pk in removed
        outcomes.append((index, Acknowledged(message_id, status, removed=gone)))
        if status is AcknowledgeStatus.ACKNOWLEDGED:
            _signal(found, message_id, removed=gone)
    return outcomes


_insert = BulkInsert(Acknowledgement, "message_id", "user_id", "date_created")


def _locked(topic: BrokerTopic, message_ids: set[UUID]) -> dict[UUID, BrokerMessage]:
    # Sorted here: a database that may sort by an index reads the whole topic by that index.
    rows = sorted(_locked_rows(topic.pk, message_ids), key=attrgetter("sequence"))
    return {row.message_id: row for row in rows}


@Selection
def _locked_rows(topic_id: int, message_ids: Collection[UUID]) -> QuerySet[BrokerMessage]:
    # Locked, because of two last acks at the same moment each would see the other one missing.
    messages = BrokerMessage.objects.select_for_update()
    wanted = messages.filter(topic=topic_id, message_id__in=message_ids)
    return wanted.order_by().defer("content")


def _remove(
    topic: BrokerTopic, rows: Sequence[BrokerMessage], delivered: Mapping[int, AbstractSet[Any]]
) -> set[int]:
    if topic.storage_policy is StoragePolicy.STORE:
        return set()
    consumers = (
        consumers_by_topic([topic])[topic.pk]
        if topic.storage_policy is StoragePolicy.CACHEALL
        else set()
    )
    return delete_settled(topic, rows, consumers, delivered)


def _signal(found: Access, message_id: UUID, *, removed: bool) -> None:
    send_on_commit(
        message_acknowledged,
        sender=BrokerTopic,
        topic=found.topic.slug,
        message_id=message_id,
        user=found.caller.user,
        removed=removed,
    )
