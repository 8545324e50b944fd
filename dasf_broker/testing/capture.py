"""Capture the calls of the broker by the code under test, without a server and without Redis."""

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
    #: Whether the message was removed, because no consumer still needs it.
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
    #: Seconds since the last ping; ``None`` if there was none.
    round_trip_time: float | None


class Captured:
    """What was published, acknowledged and pinged while :func:`captured` lasted, in order.

    Calls that were rolled back are absent, also if only a savepoint was rolled back.
    """

    def __init__(self) -> None:
        self._sendings: list[Sending] = []

    @property
    def published(self) -> list[MessagePublished]:
        """The messages: ``topic``, ``data``, ``text``, ``payload``, ``properties`` and so on.

        A message that is published again with the same id appears once.
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
        """Keep a signal that is sent when the transaction is committed."""
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

    It needs no commit, so you can use it in a ``TestCase``. Nothing is sent to other processes.
    """
    found = Captured()
    with override_settings(CHANNEL_LAYERS=_NOBODY_LISTENS):
        observers.append(found.note)
        try:
            yield found
        finally:
            observers.remove(found.note)
