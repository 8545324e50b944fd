"""Servers broken on purpose, so that the checker can show that it notices.

Each hook breaks one thing in the process that it is called in, before the first request.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from django.db import transaction

from dasf_broker.domain.publishing import Published, PublishStatus
from dasf_broker.exceptions import BrokerError
from dasf_broker.models import BrokerMessage
from dasf_broker.models.messages import BrokerMessageQuerySet
from dasf_broker.operations import drafts, publish, writer
from dasf_broker.operations.acknowledge import (
    Acknowledged,
    AcknowledgeStatus,
    Acknowledging,
    acknowledge_batch,
)
from dasf_broker.operations.publications import Publication
from dasf_broker.operations.publish import publish_batch
from dasf_broker.operations.storage import deduplication
from dasf_broker.operations.storage.deduplication import KnownMessage
from dasf_broker.realtime.mailbox import Mailbox
from tests.chaos.harness.faults import Faults

#: One in so many suffers.
RATE = 10

Outcomes = list[Published | BrokerError]


def announce_nothing() -> None:
    """Commit, and announce nothing."""
    _replace(publish, "announce_on_commit", lambda _: None)


def drop_acknowledgements() -> None:
    """Answer some acknowledgements without noting them."""
    numbers = itertools.count(1)

    def acknowledge_some(items: Sequence[Acknowledging]) -> list[Acknowledged | BrokerError]:
        noted = [next(numbers) % RATE > 0 for _ in items]
        wanted = [item for item, is_noted in zip(items, noted, strict=True) if is_noted]
        outcomes = iter(acknowledge_batch(wanted))
        return [
            next(outcomes)
            if is_noted
            else Acknowledged(item.message_id, AcknowledgeStatus.ACKNOWLEDGED)
            for item, is_noted in zip(items, noted, strict=True)
        ]

    _replace(writer, "acknowledge_batch", acknowledge_some)


def swap_sequences() -> None:
    """Give each pair of messages the sequence of the other one."""
    real = drafts._row

    def swapped(draft: Any, sequence: int, now: datetime) -> KnownMessage:
        return real(draft, sequence ^ 1 if sequence > 1 else sequence, now)

    _replace(drafts, "_row", swapped)


def delete_rows() -> None:
    """Remove some messages after they were answered as stored."""
    numbers = itertools.count(1)

    def publish_and_delete(publications: Sequence[Publication]) -> Outcomes:
        outcomes = publish_batch(publications)
        for each in outcomes:
            is_stored = isinstance(each, Published) and each.status is PublishStatus.STORED
            if is_stored and next(numbers) % RATE == 0:
                assert isinstance(each, Published)
                BrokerMessage.objects.filter(message_id=each.message.message_id).delete()
        return outcomes

    _replace(writer, "publish_batch", publish_and_delete)


def deliver_acknowledged() -> None:
    """Forget who acknowledged when somebody subscribes."""
    _replace(BrokerMessageQuerySet, "not_acknowledged_by", lambda self, _: self)


def lose_in_silence() -> None:
    """Lose announcements, and do not count what was lost with them."""
    Faults(drop=0.2).write(Path(os.environ["DASF_FAULTS"]))
    _replace(Mailbox, "miss", lambda *_: None)


def forget_message_ids() -> None:
    """Take a message that was removed for one that never was."""
    real = deduplication.known_messages

    def known_and_stored(keys: Collection[Any]) -> Any:
        known = real(keys)
        rows = BrokerMessage.objects.filter(message_id__in=[each for _, each in keys])
        stored = set(rows.values_list("topic", "message_id"))
        return {key: each for key, each in known.items() if key in stored}

    _replace(publish, "known_messages", known_and_stored)


def answer_uncommitted() -> None:
    """Answer some messages as stored whose transaction is rolled back."""
    numbers = itertools.count(1)

    def publish_and_roll_back(publications: Sequence[Publication]) -> Outcomes:
        with transaction.atomic():
            outcomes = publish_batch(publications)
            if next(numbers) % RATE == 0:
                transaction.set_rollback(True)
        return outcomes

    _replace(writer, "publish_batch", publish_and_roll_back)


def _replace(where: Any, name: str, by: Any) -> None:
    assert hasattr(where, name), f"There is no {name} to sabotage any more."
    setattr(where, name, by)


#: Every way to break a server, by the name that ``DASF_SABOTAGE`` takes.
HOOKS: dict[str, Callable[[], None]] = {
    hook.__name__: hook
    for hook in (
        announce_nothing,
        drop_acknowledgements,
        swap_sequences,
        delete_rows,
        deliver_acknowledged,
        lose_in_silence,
        forget_message_ids,
        answer_uncommitted,
    )
}
