"""Remove stored messages: whatever it is that ends them, they end here, and are remembered.

The message id is kept for ``DASF_MESSAGE_ID_MEMORY``, in the transaction that removes the message:
a producer who never heard whether it arrived, and publishes it again, makes no second one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from functools import cache
from operator import attrgetter

from django.db import transaction
from django.db.models import Model
from django.db.models.signals import post_delete, pre_delete
from django.utils import timezone

from dasf_broker import app_settings
from dasf_broker.models import (
    Acknowledgement,
    BrokerMessage,
    BrokerTopic,
    RememberedMessage,
    ResponseTopic,
)
from dasf_broker.operations.storage.lock import lock_topic
from dasf_broker.sql.bulk_insert import Insertion
from dasf_broker.sql.compiled import Deletion

#: Messages removed in one transaction.
STEP = 500

#: Seconds that are as good as for ever, and that dates can still count.
FOR_EVER = 1_000_000_000


def remove(messages: Sequence[BrokerMessage]) -> int:
    """Remove stored messages and remember their ids; return how many.

    Parameters
    ----------
    messages
        Loaded under the lock of their topic, in the transaction at hand; their content is not
        looked at.
    """
    if not messages:
        return 0
    seconds = min(app_settings.DASF_MESSAGE_ID_MEMORY, FOR_EVER)
    forget_on = timezone.now() + timedelta(seconds=seconds)
    _remember([(*_what_is_kept(each), forget_on) for each in messages])
    _delete([each.pk for each in messages])
    return len(messages)


_KEPT = ("topic_id", "message_id", "sequence", "fingerprint", "user_id", "date_created")
_what_is_kept = attrgetter(*_KEPT)
# Only a server of an older release, still running beside this one, stores a message whose id is
# remembered.
_remember = Insertion(RememberedMessage, *_KEPT, "forget_on", replacing=("topic_id", "message_id"))


def removing_up_to(topic: BrokerTopic, boundary: int) -> Iterator[int]:
    """Remove all messages up to a sequence, oldest first, acknowledged or not.

    Works in steps of one transaction each, and yields how many messages each step removed. The
    first step marks the whole hole: from then on a cursor into it is answered
    ``CURSOR_EXPIRED``, and nobody resumes there without being told.
    """
    while removed := _remove_step(topic, boundary):
        yield removed


@transaction.atomic
def _remove_step(topic: BrokerTopic, boundary: int) -> int:
    if not lock_topic(topic):
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


def _delete(keys: Sequence[int]) -> None:
    if _is_somebodys_business():
        # Without `only`, Django loads what it deletes.
        BrokerMessage.objects.filter(pk__in=keys).only("pk").delete()
        return
    _delete_acknowledgements(keys)
    _delete_links(keys)
    _delete_messages(keys)


def _is_somebodys_business() -> bool:
    """Tell whether tables of the host refer to messages, or its code hears of their end."""
    if _referring() != {Acknowledgement, _Links}:
        return True
    return any(
        signal.has_listeners(model)
        for signal in (pre_delete, post_delete)
        for model in (BrokerMessage, Acknowledgement, _Links)
    )


@cache
def _referring() -> set[type[Model] | None]:
    fields = BrokerMessage._meta.get_fields(include_hidden=True)
    return {each.related_model for each in fields if each.one_to_many or each.one_to_one}
