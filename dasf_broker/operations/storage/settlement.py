"""Remove the messages that no consumer still has to acknowledge: they are settled."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet

from dasf_broker import app_settings, primary
from dasf_broker.db_connections import retried
from dasf_broker.domain.storage import StoragePolicy, is_settled
from dasf_broker.models import Acknowledgement, BrokerMessage, BrokerTopic
from dasf_broker.operations.storage.lock import lock_topic, try_to_lock
from dasf_broker.operations.storage.removal import remove
from dasf_broker.permissions import consumers_by_topic
from dasf_broker.sql.compiled import Selection

#: Rows read in one transaction.
STEP = 500


def remove_settled(topics: Iterable[BrokerTopic]) -> int:
    """Remove the settled messages of topics.

    Call it when a right is taken away or a policy changes. An acknowledgement removes the messages
    that it settles by itself.

    Returns
    -------
    int
        How many messages were removed.
    """
    return sum(
        sum(_settle(topic)) for topic in topics if topic.storage_policy is not StoragePolicy.STORE
    )


def settle_all() -> Iterator[int]:
    """Remove the settled messages of all ``cacheall`` topics; yield how many each step removed.

    Acknowledgements and :func:`.topics.revoke_permission` do that by themselves. This is for users
    that are deleted, leave their groups, or lose rights elsewhere.
    """
    acknowledged = Acknowledgement.objects.filter(message__topic=OuterRef("pk"))
    topics = BrokerTopic.objects.filter(Exists(acknowledged)).with_response_info()
    # Topic by topic: for all at once, a database would sort all messages for each page.
    for rule in _may_be_cacheall():
        for page in topics.filter(rule).pages(STEP):
            for topic in page:
                if topic.storage_policy is StoragePolicy.CACHEALL:
                    yield from _settle(topic, try_to_lock)


def delete_settled(
    topic: BrokerTopic,
    messages: Sequence[BrokerMessage],
    consumers: AbstractSet[Any],
    delivered: Mapping[int, AbstractSet[Any]],
) -> set[int]:
    """Remove those of the locked messages that the storage rule calls settled.

    Parameters
    ----------
    consumers
        The primary keys of the users who may consume the topic now.
    delivered
        For each message, the primary keys of the users who acknowledged it.

    Returns
    -------
    set
        The primary keys of the messages that were removed.
    """
    settled = [
        message
        for message in messages
        if is_settled(topic.storage_policy, delivered_to=delivered[message.pk], consumers=consumers)
    ]
    remove(settled)
    return {message.pk for message in settled}


def delivered_by_message(messages: Iterable[BrokerMessage]) -> dict[int, set[Any]]:
    """Return the primary keys of the users who acknowledged each of the messages. One query."""
    delivered: dict[int, set[Any]] = {message.pk: set() for message in messages}
    for message_id, user_id in _acknowledged([*delivered]):
        delivered[message_id].add(user_id)
    return delivered


@Selection
def _acknowledged(messages: Collection[int]) -> QuerySet[Acknowledgement, Any]:
    rows = Acknowledgement.objects.filter(message__in=messages)
    return rows.values_list("message_id", "user_id")


def _may_be_cacheall() -> Iterator[Q]:
    """Yield values of ``store_messages`` for which a topic may be under ``cacheall``."""
    yield Q(store_messages=StoragePolicy.CACHEALL.value)
    defaults = app_settings.DASF_STORE_SOURCE_MESSAGES, app_settings.DASF_STORE_RESPONSE_MESSAGES
    if StoragePolicy.CACHEALL in defaults:  # which of them, Python asks the rule
        yield Q(store_messages__isnull=True)


def _settle(topic: BrokerTopic, lock: Callable[[BrokerTopic], bool] = lock_topic) -> Iterator[int]:
    position = 0
    while True:
        page, removed = _settle_step(topic, position, lock)
        yield removed
        if len(page) < STEP:
            return
        position = page[-1].sequence


@retried
def _settle_step(
    topic: BrokerTopic, position: int, lock: Callable[[BrokerTopic], bool]
) -> tuple[Sequence[BrokerMessage], int]:
    with primary.atomic():
        # Locked before the consumers are read: a user who gets the right now still has to
        # acknowledge, and the message stays.
        if not lock(topic):
            return [], 0
        page = _acknowledged_after(topic, position)
        consumers = consumers_by_topic([topic])[topic.pk] if page else set()
        delivered = delivered_by_message(page)
        return page, len(delete_settled(topic, page, consumers, delivered))


def _acknowledged_after(topic: BrokerTopic, position: int) -> list[BrokerMessage]:
    acknowledged = Acknowledgement.objects.filter(message__topic=topic).values("message")
    messages = topic.brokermessage_set.select_for_update().after(position)
    found = messages.filter(pk__in=acknowledged).order_by("sequence").defer("content")
    return list(found[:STEP])
