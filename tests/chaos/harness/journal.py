"""The history of one worker process, written by all its clients."""

from __future__ import annotations

import hashlib
import itertools
from pathlib import Path
from typing import Any, Final, Literal, Self, TypeAlias

from tests.chaos.harness.history import (
    SUFFIX,
    Delivered,
    Record,
    Recorder,
    SubscriptionEnded,
    SubscriptionOpened,
    read_history,
)

#: Characters of a text that go into a history; of longer ones a digest does.
LONGEST: Final = 200

Start: TypeAlias = Literal["OUTSTANDING", "NEW", "EARLIEST", "AFTER"]


class Journal:
    """Numbers operations and subscriptions and writes records; a context manager.

    Parameters
    ----------
    folder
        Where the files of a history lie.
    worker
        The name of the worker. One that is started again after it was killed has the same, and
        gets another file.
    """

    def __init__(self, folder: Path, worker: str) -> None:
        self._folder = folder
        self._worker = worker
        lives = len(list(folder.glob(f"{worker}.*{SUFFIX}")))
        self.who = name_of_life(worker, lives + 1)
        self._recorder = Recorder(folder / f"{self.who}{SUFFIX}", self.who)
        self._operations = itertools.count(1)
        self._subscriptions = itertools.count(1)

    def append(self, record: Record) -> None:
        """Write a record."""
        self._recorder.append(record)

    def next_operation(self) -> int:
        """Return a number for an operation."""
        return next(self._operations)

    def open_subscription(
        self, client: str, topic: str, user: str, start: Start, after: int | None = None
    ) -> str:
        """Write that a client is about to subscribe; return the name of the subscription."""
        name = f"{client}/{next(self._subscriptions)}"
        self.append(
            SubscriptionOpened(subscription=name, topic=topic, user=user, start=start, after=after)
        )
        return name

    def deliver(self, subscription: str, topic: str, text: str | None, **fields: Any) -> None:
        """Write that a message came."""
        shown = brief(text or "")
        self.append(Delivered(subscription=subscription, topic=topic, text=shown, **fields))

    def end_subscription(self, subscription: str, reason: str) -> None:
        """Write that a subscription is over."""
        self.append(SubscriptionEnded(subscription=subscription, reason=reason))

    def last_sequence(self, client: str) -> int | None:
        """Return the last sequence that a client got in this or an earlier life of the worker."""
        sequences = [
            record.sequence
            for path in self._folder.glob(f"{self._worker}.*{SUFFIX}")
            for record in read_history(path)
            if isinstance(record, Delivered)
            and record.subscription.startswith(f"{client}/")
            and record.sequence is not None
        ]
        return max(sequences, default=None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._recorder.close()


def name_of_life(worker: str, life: int) -> str:
    """Return what the records of a worker's first, second, ... life have as ``who``."""
    return f"{worker}.{life}"


def brief(text: str) -> str:
    """Return a text, or the beginning and a digest of a long one."""
    if len(text) <= LONGEST:
        return text
    return f"{text[:40].rstrip('.')} {hashlib.sha256(text.encode()).hexdigest()}"
