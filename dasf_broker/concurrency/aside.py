"""The requests of a batcher that wait for locked rows."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from dasf_broker.concurrency.locked_rows import Needs
from dasf_broker.concurrency.threads import ThreadPool

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(slots=True, eq=False)
class Request(Generic[Item, Result]):
    """The items of one caller."""

    items: Sequence[Item]
    weight: int
    results: asyncio.Future[Sequence[Result]]
    #: How often it failed because of a lock that it does not name.
    attempts: int = 0
    #: What all of its items need, once that was asked for.
    needs: Needs | None = None


class Queue(Protocol[Item, Result]):
    """What a batcher does with requests that waited."""

    def _put_first(self, requests: Sequence[Request[Item, Result]]) -> None: ...

    def _refuse(self, requests: Sequence[Request[Item, Result]]) -> None: ...

    def resume(self) -> None:
        """Go on with what was put first."""


class Aside(Generic[Item, Result]):
    """The requests of a batcher that wait for locked rows. Call it under the lock of the pool.

    Parameters
    ----------
    pool
        The threads of the batcher.
    needs
        Returns what an item needs.
    queue
        The batcher.
    """

    def __init__(
        self, pool: ThreadPool, needs: Callable[[Item], Needs], queue: Queue[Item, Result]
    ) -> None:
        self._pool = pool
        self._needs = needs
        self._queue = queue
        self.items = 0
        self.bytes = 0

    def is_blocked(self, request: Request[Item, Result]) -> bool:
        """Tell whether a request has to wait; it is asked before each batch."""
        locked = self._pool.locked
        return bool(locked) and locked.block(self._needs_of(request))

    def find_blocked(
        self, batch: Sequence[Request[Item, Result]]
    ) -> Collection[Request[Item, Result]]:
        """Return the requests of a batch that need a locked row. Call it without the lock."""
        return self._pool.find_blocked([(each, self._needs_of(each)) for each in batch])

    def hold(self, request: Request[Item, Result]) -> None:
        """Put a request aside."""
        self._count(request, 1)
        timeout = self._pool.hooks.timeout
        self._pool.locked.hold(request, self, self._needs_of(request), timeout)
        self._pool.look_soon()

    def withdraw(self, request: Request[Item, Result]) -> bool:
        """Remove a request; return whether it was here."""
        if is_here := self._pool.locked.withdraw(request):
            self._count(request, -1)
        return is_here

    def take_back(self, requests: Sequence[Request[Item, Result]]) -> None:
        """Put requests first in the queue of the batcher."""
        for request in requests:
            self._count(request, -1)
        self._queue._put_first(requests)

    def resume(self) -> None:
        """Process what was put back."""
        self._queue.resume()

    def refuse(self, requests: Sequence[Request[Item, Result]]) -> None:
        """Give requests up that waited too long."""
        with self._pool.lock:
            for request in requests:
                self._count(request, -1)
            self._queue._refuse(requests)

    def _needs_of(self, request: Request[Item, Result]) -> Needs:
        if request.needs is None:
            each = [self._needs(item) for item in request.items]
            request.needs = Needs(
                frozenset().union(*(needs.rows for needs in each)),
                frozenset().union(*(needs.order for needs in each)),
            )
        return request.needs

    def _count(self, request: Request[Item, Result], sign: int) -> None:
        self.items += sign * len(request.items)
        self.bytes += sign * request.weight
