"""Remove stored messages: whatever it is that ends them, they end here, and are remembered.

The message id is kept for ``DASF_MESSAGE_ID_MEMORY``, in the transaction that removes the message:
a producer who never heard whether it arrived, and publishes it again, makes no second one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from dasf_broker import app_settings
from dasf_broker.models import BrokerMessage, BrokerTopic, RememberedMessage
from dasf_broker.operations.locks import lock_topic

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
    RememberedMessage.objects.bulk_create(
        [
            RememberedMessage(
                topic_id=each.topic_id,
                message_id=each.message_id,
                sequence=each.sequence,
                fingerprint=each.fingerprint,
                user_id=each.user_id,
                date_created=each.date_created,
                forget_on=forget_on,
            )
            for each in messages
        ],
        # Only a server of an older release, still running beside this one, stores a message
        # whose id is remembered.
        update_conflicts=True,
        unique_fields=["topic", "message_id"],
        update_fields=["sequence", "fingerprint", "user", "date_created", "forget_on"],
    )
    # Without `only`, Django loads what it deletes.
    BrokerMessage.objects.filter(pk__in=[each.pk for each in messages]).only("pk").delete()
    return len(messages)


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
