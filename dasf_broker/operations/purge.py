"""Throw away all that is stored in a topic, whether somebody acknowledged it or not."""

from __future__ import annotations

from collections.abc import Iterable

from django.db import transaction
from django.db.models import F

from dasf_broker.models import BrokerMessage, BrokerTopic

#: Messages removed in one transaction.
STEP = 500


def purge_messages(topics: Iterable[BrokerTopic]) -> int:
    """Remove all stored messages of the topics, without asking for rights.

    Works in steps of one transaction each. Cursors from before are answered ``CURSOR_EXPIRED``.
    What is published meanwhile stays.

    Returns
    -------
    int
        How many messages were removed.
    """
    return sum(_purge(topic) for topic in topics)


def _purge(topic: BrokerTopic) -> int:
    stored = topic.brokermessage_set.order_by("-sequence").values_list("sequence", flat=True)
    newest = stored.first()
    if newest is None:
        return 0
    # Before the first message goes, so that nobody resumes into the hole without being told.
    BrokerTopic.objects.filter(pk=topic.pk).update(expired_sequence=F("last_sequence"))
    topic.refresh_from_db(fields=["last_sequence", "expired_sequence"])
    removed = 0
    while gone := _remove_step(topic, newest):
        removed += gone
    return removed


@transaction.atomic
def _remove_step(topic: BrokerTopic, newest: int) -> int:
    # Locked oldest first, as acknowledgements lock them: the two never wait for each other.
    rows = topic.brokermessage_set.select_for_update().filter(sequence__lte=newest)
    page = list(rows.order_by("sequence").values_list("pk", flat=True)[:STEP])
    BrokerMessage.objects.filter(pk__in=page).delete()
    return len(page)
