"""Remove stored messages, for all reasons, and keep their ids.

The transaction that removes a message keeps its id for ``DASF_MESSAGE_ID_MEMORY``: a producer that
got no answer and publishes the message again does not create a second one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from operator import attrgetter

from django.db.models import Model
from django.db.models.signals import post_delete, pre_delete

from dasf_broker import clock, primary
from dasf_broker.db_connections import retried
from dasf_broker.models import (
    Acknowledgement,
    BrokerMessage,
    BrokerTopic,
    RememberedMessage,
    ResponseTopic,
)
from dasf_broker.operations.storage.deduplication import memory
from dasf_broker.operations.storage.lock import lock_topic, try_to_lock
from dasf_broker.sql.bulk_insert import BulkInsert
from dasf_broker.sql.compiled import Deletion

#: Messages removed in one transaction.
STEP = 500


def remove(messages: Sequence[BrokerMessage]) -> int:
    """Remove stored messages and keep their ids; return how many were removed.

    Parameters
    ----------
    messages
        Loaded under the lock of their topic, in the current transaction; their content is not
        read.
    """
    if not messages:
        return 0
    forget_on = clock.now() + memory()
    _remember([(*_kept(each), forget_on) for each in messages])
    delete_rows([each.pk for each in messages])
    return len(messages)


_COLUMNS = ("topic_id", "message_id", "sequence", "fingerprint", "user_id", "date_created")
_kept = attrgetter(*_COLUMNS)
# Only a server of an older release that still runs beside this one stores a message whose id was
# kept.
_remember = BulkInsert(
    RememberedMessage, *_COLUMNS, "forget_on", replacing=("topic_id", "message_id")
)


def remove_up_to(
    topic: BrokerTopic, boundary: int, *, unless_locked: bool = False
) -> Iterator[int]:
    """Remove all messages up to a sequence, oldest first, acknowledged or not.

    Works in steps of one transaction each, and yields how many messages each step removed. The
    first step marks the whole range: from then on a subscriber that resumes within it gets
    ``CURSOR_EXPIRED``.

    Parameters
    ----------
    topic
        The topic.
    boundary
        The sequence of the last message to remove.
    unless_locked
        End as soon as another transaction has locked the topic, instead of waiting.
    """
    lock = try_to_lock if unless_locked else lock_topic
    while removed := _remove_step(topic, boundary, lock):
        yield removed


def purge_messages(topics: Iterable[BrokerTopic]) -> int:
    """Remove all stored messages of the topics, acknowledged or not, without checking rights.

    Works in steps of one transaction each. Older cursors are answered with ``CURSOR_EXPIRED``.
    Messages that are published meanwhile stay.

    Returns
    -------
    int
        How many messages were removed.
    """
    return sum(_purge(topic) for topic in topics)


def _purge(topic: BrokerTopic) -> int:
    stored = topic.brokermessage_set.order_by("-sequence").values_list("sequence", flat=True)
    newest = stored.first()
    return 0 if newest is None else sum(remove_up_to(topic, newest))


@retried
@primary.atomic()
def _remove_step(topic: BrokerTopic, boundary: int, lock: Callable[[BrokerTopic], bool]) -> int:
    if not lock(topic):
        return 0
    rows = topic.brokermessage_set.filter(sequence__lte=boundary).order_by("sequence")
    page = list(rows.defer("content")[:STEP])
    if page:
        _expire(topic, boundary)
    return remove(page)


def _expire(topic: BrokerTopic, boundary: int) -> None:
    earlier = BrokerTopic.objects.filter(pk=topic.pk, expired_sequence__lt=boundary)
    earlier.update(expired_sequence=boundary)
    topic.expired_sequence = max(topic.expired_sequence, boundary)


# --- deleting ---------------------------------------------------------------------------------


_Links = ResponseTopic.source_messages.through

_delete_acknowledgements = Deletion(lambda keys: Acknowledgement.objects.filter(message__in=keys))
_delete_links = Deletion(lambda keys: _Links.objects.filter(brokermessage__in=keys))
_delete_messages = Deletion(lambda keys: BrokerMessage.objects.filter(pk__in=keys))


def delete_rows(keys: Sequence[int]) -> None:
    """Delete stored messages, their acknowledgements and what links them to response topics."""
    if _concerns_the_host():
        # Without `only`, Django loads all columns of the rows that it deletes.
        BrokerMessage.objects.filter(pk__in=keys).only("pk").delete()
        return
    _delete_acknowledgements(keys)
    _delete_links(keys)
    _delete_messages(keys)


def _concerns_the_host() -> bool:
    """Tell whether tables of the host refer to messages, or it has receivers for deletions."""
    if _referring_models() != {Acknowledgement, _Links}:
        return True
    return any(
        signal.has_listeners(model)
        for signal in (pre_delete, post_delete)
        for model in (BrokerMessage, Acknowledgement, _Links)
    )


@cache
def _referring_models() -> set[type[Model] | None]:
    fields = BrokerMessage._meta.get_fields(include_hidden=True)
    return {each.related_model for each in fields if each.one_to_many or each.one_to_one}
