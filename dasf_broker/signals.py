"""Django signals for hosts: sent after commit, on the thread that did the work.

A receiver that fails is logged; the other receivers and the caller are not affected. Keep
receivers short: they run in the broker's writing thread. All signals are sent with
``sender=BrokerTopic`` and ``topic``.

- ``message_published``: ``message``, with ``data``, ``text``, ``payload``, ``properties``,
  ``message_id``, ``message_type``, ``context``, ``cursor``, ``user_id`` and ``publish_time``
- ``message_acknowledged``: ``message_id``, ``user``, ``removed``
- ``topic_pinged``: ``user`` (``None`` if the server itself pinged), ``pinged_at``
- ``topic_ponged``: ``user``, ``ponged_at``, ``round_trip_time`` (seconds, or ``None``)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.dispatch import Signal

from dasf_broker import primary

message_published = Signal()
message_acknowledged = Signal()
topic_pinged = Signal()
topic_ponged = Signal()


class Sending:
    """A signal that is sent when a transaction is committed."""

    def __init__(self, signal: Signal, values: Mapping[str, Any]) -> None:
        self.signal = signal
        self.values = values
        self._connection: BaseDatabaseWrapper = primary.connection()
        self._is_sent = False

    def __call__(self) -> None:
        """Send it."""
        self._is_sent = True
        self.signal.send_robust(**self.values)

    @property
    def was_undone(self) -> bool:
        """Whether the transaction, or a savepoint in it, was rolled back."""
        waiting = [entry[1] for entry in self._connection.run_on_commit]
        return not self._is_sent and self not in waiting


#: Called with each signal when it is registered, before the commit decides about it: for tests.
observers: list[Callable[[Sending], None]] = []


def send_on_commit(signal: Signal, **values: Any) -> None:
    """Send a signal once the transaction is committed; do nothing if it has no receivers."""
    if signal.receivers or observers:
        sending = Sending(signal, values)
        for observe in observers:
            observe(sending)
        primary.on_commit(sending)
