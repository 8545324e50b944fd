"""Turns of long executions in the event loop.

The result of one query may have 10,000 fields, which take a quarter of a second. Without turns the
event loop would do nothing else meanwhile. An execution that has done as much as fits into a turn
of the loop waits: the loop serves its sockets, and resumes one execution in its next turn, callers
one after the other.
"""

from __future__ import annotations

import asyncio

from dasf_broker.concurrency.fair_queue import FairQueue
from dasf_broker.concurrency.futures import resolve
from dasf_broker.concurrency.shares import current_share

#: Fields of all executions in one turn of the loop: about 5 ms.
FIELDS = 250


class Turns:
    """The turns of one event loop."""

    def __init__(self) -> None:
        self._fields = 0
        self._waiting: FairQueue[asyncio.Future[None]] = FairQueue(per_share=1)
        self._is_scheduled = False

    def is_over(self, fields: int = 0) -> bool:
        """Count fields; tell whether no more of them fit into this turn."""
        if not self._is_scheduled:
            self._schedule()
        self._fields += fields
        return self._fields >= FIELDS

    async def wait(self) -> None:
        """Wait for another turn."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        share = current_share()
        self._waiting.put(future, share)
        if not self._is_scheduled:
            self._schedule()
        try:
            await future
        finally:
            if not self._waiting.remove(future):
                self._waiting.finish(share)

    def _schedule(self) -> None:
        self._is_scheduled = True
        asyncio.get_running_loop().call_soon(self._next)

    def _next(self) -> None:
        self._fields, self._is_scheduled = 0, False
        if (taken := self._waiting.take(most=1)) is not None:
            resolve(taken[0], None)
        if len(self._waiting):
            self._schedule()
