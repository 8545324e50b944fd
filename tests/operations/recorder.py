"""A batch operation for the tests of group commit, which waits and fails as it is told."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from dasf_broker.exceptions import BrokerError, NotFoundError
from dasf_broker.operations.writer import GroupCommit
from tests.operations.streams import DEADLINE, until

Asking = asyncio.Task[Sequence[str | BrokerError]]


class Recorder:
    """A batch operation that can be held up, and answers each item with itself in capitals."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.may_go_on = threading.Event()
        self.failures: dict[str, Exception] = {}

    def __call__(self, items: Sequence[str]) -> list[str | BrokerError]:
        """Do the work."""
        self.batches.append(list(items))
        assert self.may_go_on.wait(DEADLINE)
        for item in items:
            if item in self.failures:
                raise self.failures[item]
        return [NotFoundError(item) if item == "missing" else item.upper() for item in items]


@contextmanager
def held_up() -> Iterator[Recorder]:
    """Make an operation that is held up until the test lets it go on, or is over."""
    recorder = Recorder()
    yield recorder
    recorder.may_go_on.set()


async def asked(
    commit: GroupCommit[str, str], callers: Sequence[Sequence[str]], recorder: Recorder
) -> list[Asking]:
    """Let callers ask; the first one's batch is being written, the others wait."""
    waiting = [asyncio.create_task(commit(callers[0]))]
    await until(lambda: recorder.batches)
    waiting += [asyncio.create_task(commit(items)) for items in callers[1:]]
    await asyncio.sleep(0)
    return waiting
