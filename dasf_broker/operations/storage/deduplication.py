"""Find the message ids that a topic has already: of stored messages, and of removed ones.

The ids of topics that store nothing are not kept: a message published twice is sent twice.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from django.db.models import QuerySet

from dasf_broker import app_settings
from dasf_broker.db_connections import retried
from dasf_broker.domain.envelope import Envelope
from dasf_broker.domain.fingerprints import fingerprint
from dasf_broker.domain.times import present
from dasf_broker.models import BrokerMessage, RememberedMessage
from dasf_broker.sql.compiled import Selection

#: Message ids deleted in one transaction.
STEP = 500

#: The longest time to keep ids, in seconds: more than thirty years. Dates can still express it.
MAX_MEMORY = 1_000_000_000

#: Primary key of a topic, and a message id in it.
Key = tuple[int, UUID]

_COLUMNS = ("topic", "message_id", "sequence", "fingerprint", "user", "date_created")


class KnownMessage(NamedTuple):
    """A message that was published before."""

    topic_id: int
    message_id: UUID
    sequence: int
    fingerprint: str
    user_id: Any
    published: datetime

    def is_same(self, envelope: Envelope, user_id: Any) -> bool:
        """Tell whether the user says the same with this envelope."""
        said = self.fingerprint or self._fingerprint()
        return user_id == self.user_id and said == fingerprint(envelope.content)

    def _fingerprint(self) -> str:
        # A server of an older release that still runs beside this one stores messages without it.
        row = BrokerMessage.objects.filter(topic=self.topic_id, message_id=self.message_id).first()
        return "" if row is None else fingerprint(row.content)


def known_messages(keys: Collection[Key]) -> dict[Key, KnownMessage]:
    """Return the known messages with these ids. One query.

    The topics are locked by the caller. The content of messages is not loaded.
    """
    rows = _known({topic_id for topic_id, _ in keys}, {message_id for _, message_id in keys})
    found = [KnownMessage(*row) for row in rows]
    return {(each.topic_id, each.message_id): each for each in found}


def message_keys(keys: Collection[Key]) -> dict[Key, int]:
    """Return the primary keys of stored messages. One query."""
    rows = _stored({topic_id for topic_id, _ in keys}, {message_id for _, message_id in keys})
    return {(topic_id, message_id): pk for topic_id, message_id, pk in rows}


@Selection
def _stored(topic_ids: Collection[int], message_ids: Collection[UUID]) -> QuerySet[Any, Any]:
    wanted = BrokerMessage.objects.filter(topic__in=topic_ids, message_id__in=message_ids)
    return wanted.order_by().values_list("topic", "message_id", "pk")


@Selection
def _known(topic_ids: Collection[int], message_ids: Collection[UUID]) -> QuerySet[Any, Any]:
    wanted = {"topic__in": topic_ids, "message_id__in": message_ids}
    stored = BrokerMessage.objects.filter(**wanted).order_by().values_list(*_COLUMNS)
    gone = RememberedMessage.objects.filter(**wanted).values_list(*_COLUMNS)
    return gone.union(stored, all=True)


def memory() -> timedelta:
    """Return how long the ids of removed messages are kept."""
    return timedelta(seconds=min(app_settings.DASF_MESSAGE_ID_MEMORY, MAX_MEMORY))


def forget_due(now: datetime) -> Iterator[int]:
    """Delete the ids whose time is over, and yield how many each small step deleted."""
    yield from _shorten(now)
    while True:
        yield (count := _forget_step(now))
        if count < STEP:
            return


def _shorten(now: datetime) -> Iterator[int]:
    """Let ids be forgotten in time that a clock which was ahead wanted to keep for longer."""
    latest = now + memory()
    while True:
        ahead = RememberedMessage.objects.filter(forget_on__gt=present(latest))
        page = list(ahead.order_by("-forget_on").values_list("pk", flat=True)[:STEP])
        if not page:
            return
        RememberedMessage.objects.filter(pk__in=page).update(forget_on=latest)
        yield 0


@retried
def _forget_step(now: datetime) -> int:
    due = RememberedMessage.objects.filter(forget_on__lte=now).order_by("forget_on")
    page = list(due.values_list("pk", flat=True)[:STEP])
    RememberedMessage.objects.filter(pk__in=page).delete()
    return len(page)


def count_due(now: datetime) -> int:
    """Return how many ids :func:`forget_due` would delete."""
    return RememberedMessage.objects.filter(forget_on__lte=now).count()
