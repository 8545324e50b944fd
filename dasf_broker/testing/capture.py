"""What the code under test told the broker, without a server and without Redis."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.dispatch import Signal
from django.test.utils import override_settings

from dasf_broker.domain.events import MessagePublished
from dasf_broker.signals import (
    Sending,
    message_acknowledged,
    message_published,
    observers,
    topic_pinged,
    topic_ponged,
)

if TYPE_CHECKING:
    from django.contrib.auth.models import User

_NOBODY_LISTENS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}


@dataclass(frozen=True, slots=True)
class CapturedAcknowledgement:
    """A message was acknowledged."""

    #: The slug of the topic.
    topic: str
    #: The id of the message.
    message_id: UUID
    #: The consumer who acknowledged it.
    user: User
    #: Whether nobody needs the message any more and it was removed.
    removed: bool


@dataclass(frozen=True, slots=True)
class CapturedPing:
    """A topic was pinged."""

    #: The slug of the topic.
    topic: str
    #: The user who pinged; ``None`` where it was the server itself.
    user: User | None
    #: When.
    pinged_at: datetime


@dataclass(frozen=True, slots=True)
class CapturedPong:
    """A ping was answered."""

    #: The slug of the topic.
    topic: str
    #: The consumer who answered.
    user: User
    #: When.
    ponged_at: datetime
    #: Seconds since the last ping; ``None`` where there was none.
    round_trip_time: float | None


class Captured:
    """What happened as long as :func:`captured` lasted, in order.

    What was rolled back is absent, also where only a savepoint was.
    """

    def __init__(self) -> None:
        self._sendings: list[Sending] = []

    @property
    def published(self) -> list[MessagePublished]:
        """The messages: ``topic``, ``data``, ``text``, ``payload``, ``properties`` and so on.

        What is published again with the same id is no message of its own.
        """
        return [values["message"] for values in self._values(message_published)]

    @property
    def acknowledged(self) -> list[CapturedAcknowledgement]:
        """The messages that were acknowledged, each with its consumer."""
        found = self._values(message_acknowledged)
        return [CapturedAcknowledgement(**values) for values in found]

    @property
    def pinged(self) -> list[CapturedPing]:
        """The pings."""
        return [CapturedPing(**values) for values in self._values(topic_pinged)]

    @property
    def ponged(self) -> list[CapturedPong]:
        """The answers to pings."""
        return [CapturedPong(**values) for values in self._values(topic_ponged)]

    def note(self, sending: Sending) -> None:
        """Keep what is to be told when a transaction is committed."""
        self._sendings.append(sending)

    def _values(self, signal: Signal) -> list[dict[str, Any]]:
        return [
            {name: value for name, value in each.values.items() if name != "sender"}
            for each in self._sendings
            if each.signal is signal and not each.was_undone
        ]


@contextmanager
def captured() -> Iterator[Captured]:
    """Capture what is published, acknowledged and pinged as long as the context lasts.

    It needs no commit, so that it suits a ``TestCase``. Nothing goes to other processes.
    """
    found = Captured()
    with override_settings(CHANNEL_LAYERS=_NOBODY_LISTENS):
        observers.append(found.note)
        try:
            yield found
        finally:
            observers.remove(found.note)
