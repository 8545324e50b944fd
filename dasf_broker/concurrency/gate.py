"""A gate: few of each caller's operations run at once, and callers take turns."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from dasf_broker.concurrency.fair_queue import FairQueue
from dasf_broker.concurrency.futures import resolve, within
from dasf_broker.concurrency.shares import Share


class Gate:
    """The gate of one event loop.

    Parameters
    ----------
    most, per_share
        Most operations inside: of all callers, and of one.
    timeout
        Returns the seconds that an operation waits, at most.
    late
        Makes the error for one that waited as long.
    """

    def __init__(
        self,
        *,
        most: int,
        per_share: int,
        timeout: Callable[[], float],
        late: Callable[[], Exception],
    ) -> None:
        self._most = most
        self._timeout = timeout
        self._late = late
        self._waiting: FairQueue[asyncio.Future[None]] = FairQueue(per_share)

    @asynccontextmanager
    async def passed(self, share: Share) -> AsyncIterator[None]:
        """Wait for room, and take it as long as the context lasts."""
        ticket: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.put(ticket, share)
        try:
            self._admit()
            await within(self._timeout(), ticket, self._late)
            yield
        finally:
            if not self._waiting.remove(ticket):
                self._waiting.finish(share)
            self._admit()

    def _admit(self) -> None:
        while (taken := self._waiting.take(self._most)) is not None:
            resolve(taken[0], None)
