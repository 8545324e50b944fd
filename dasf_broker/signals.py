"""Django signals for hosts: sent after commit, on the thread that did the work.

A receiver that fails is logged and disturbs nobody. Keep receivers short: they run in the
broker's writing thread. All are sent with ``sender=BrokerTopic`` and ``topic``.

- ``message_published``: ``message``, with ``data``, ``text``, ``payload``, ``properties``,
  ``message_id``, ``message_type``, ``context``, ``cursor``, ``user_id`` and ``publish_time``
- ``message_acknowledged``: ``message_id``, ``user``, ``removed``
- ``topic_pinged``: ``user`` (``None`` where the server itself asked), ``pinged_at``
- ``topic_ponged``: ``user``, ``ponged_at``, ``round_trip_time`` (seconds, or ``None``)
"""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.dispatch import Signal

message_published = Signal()
message_acknowledged = Signal()
topic_pinged = Signal()
topic_ponged = Signal()


def send_on_commit(signal: Signal, **values: Any) -> None:
    """Send a signal once the transaction is committed; nothing is done where nobody listens."""
    if signal.receivers:
        transaction.on_commit(lambda: signal.send_robust(**values), robust=True)
