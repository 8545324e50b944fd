"""Batches: do the work of concurrent callers of an event loop for all of them at once.

While a thread works on one batch the next one collects items. So many callers share the cost of a
transaction or a query, and a single caller does not wait for others.
"""

from __future__ import annotations

import asyncio
import logging
import weakref
from collections import deque
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeAlias, TypeVar

from dasf_broker.concurrency.aside import Aside, Request
from dasf_broker.concurrency.calls import ATTEMPTS, tell
from dasf_broker.concurrency.futures import reject, resolve, within
from dasf_broker.concurrency.locked_rows import Needs
from dasf_broker.concurrency.threads import ThreadPool

logger = logging.getLogger(__name__)

Item = TypeVar("Item")
Result = TypeVar("Result")
Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")

#: The results of the items of one caller.
_Outcome: TypeAlias = Sequence[Result] | BaseException


@dataclass(frozen=True, slots=True)
class Bounds:
    """The largest batch, in items and bytes. The items of one caller may be more by themselves."""

    items: int = 500
    bytes: int = 16 * 1024 * 1024


BOUNDS = Bounds()

_NOTHING = Needs()

#: In place of the results of a request that is put aside.
_HELD: Sequence[Any] = []


class Batcher(Generic[Item, Result]):
    """Collects the items of concurrent callers, and passes them to a batch operation in a thread.

    A thread takes a batch when it begins with it, so that waiting items are in one queue and can
    be withdrawn. Items are processed also if their caller is cancelled. If another transaction
    has locked rows that some requests need, those are put aside, and the others are processed.

    Only the event loop that created it may use it.

    Parameters
    ----------
    pool
        The threads to use. Batches of one batcher run one after the other.
    operation
        Takes items, and returns the result of each in order.
    weigh
        Returns about how many bytes an item takes.
    bounds
        The largest batch.
    is_outage
        Tells whether an error concerns all items. After any other error the requests of the batch
        are tried one by one, so that one of them does not fail the others.
    needs
        Returns the rows that an item locks.
    """

    def __init__(
        self,
        pool: ThreadPool,
        operation: Callable[[Sequence[Item]], Sequence[Result]],
        *,
        weigh: Callable[[Item], int] = lambda _: 0,
        bounds: Bounds | None = None,
        is_outage: Callable[[BaseException], bool] = lambda _: False,
        needs: Callable[[Item], Needs] = lambda _: _NOTHING,
    ) -> None:
        self._pool = pool
        self._operation = operation
        self._weigh = weigh
        self._bounds = bounds or BOUNDS
        self._is_outage = is_outage
        self._aside = Aside(pool, needs, self)
        # Weakly: what belongs to a loop must not keep it.
        self._loop = weakref.ref(asyncio.get_running_loop())
        # These three under the lock of the pool: the loop adds and withdraws, a thread takes. What
        # is put aside counts as well.
        self._waiting: deque[Request[Item, Result]] = deque()
        self.items = 0
        self.bytes = 0
        #: Whether a turn of the loop, the pool or a thread has it, and how many requests have no
        #: outcome. The loop's own.
        self._is_busy = False
        self._open = 0
        self._idle = asyncio.Event()
        self._idle.set()

    async def __call__(self, items: Sequence[Item]) -> Sequence[Result]:
        """Process some items, together and in order; return their results."""
        weight = sum(map(self._weigh, items))
        self.check_room(len(items), weight)
        loop = asyncio.get_running_loop()
        request: Request[Item, Result] = Request(items, weight, loop.create_future())
        with self._pool.lock:
            self._waiting.append(request)
            self._count(request, 1)
        self._open += 1
        self._idle.clear()
        if not self._is_busy:
            self._is_busy = True
            # In the next turn: all that is asked for in this one is in the same batch.
            loop.call_soon(self._pool.put, self)
        late = partial(self._give_up, request)
        return await within(self._pool.hooks.timeout, request.results, late)

    def check_room(self, items: int, weight: int) -> None:
        """Check that more items may wait; a subclass raises an error if not."""

    async def idle(self) -> None:
        """Wait until all items are processed."""
        await self._idle.wait()

    def may_hold(self, items: int, weight: int) -> bool:  # noqa: ARG002 - see GroupCommit
        """Tell whether so much more may wait for locked rows; a subclass has a bound."""
        return True

    def resume(self) -> None:
        """Process what waited for locked rows."""
        self._pool.resume(self)

    def run(self) -> None:
        """Process one batch, in a thread."""
        batch = self._take()
        outcomes = self._do(batch)
        if (loop := self._loop()) is not None:
            tell(loop, self._finish, batch, outcomes)

    # --- in the event loop --------------------------------------------------------------------

    def _give_up(self, request: Request[Item, Result]) -> Exception:
        with self._pool.lock:
            if request in self._waiting:
                self._waiting.remove(request)
            elif not self._aside.withdraw(request):
                return self._pool.hooks.unfinished()
            self._count(request, -1)
        self._close_one()
        return self._pool.hooks.not_done()

    def _settle(
        self,
        batch: Sequence[Request[Item, Result]],
        outcomes: Sequence[_Outcome[Result]],
    ) -> None:
        for request, outcome in zip(batch, outcomes, strict=True):
            if outcome is _HELD:
                continue
            if isinstance(outcome, BaseException):
                reject(request.results, outcome)
            else:
                resolve(request.results, outcome)
            self._close_one()

    def _finish(
        self, batch: Sequence[Request[Item, Result]], outcomes: Sequence[_Outcome[Result]]
    ) -> None:
        self._settle(batch, outcomes)
        if self._waiting:
            self._pool.put(self)
        else:
            self._is_busy = False

    def _close_one(self) -> None:
        self._open -= 1
        if not self._open:
            self._idle.set()

    # --- in a thread --------------------------------------------------------------------------

    def _take(self) -> list[Request[Item, Result]]:
        batch: list[Request[Item, Result]] = []
        items = size = 0
        with self._pool.lock:
            while self._waiting:
                first = self._waiting[0]
                if self._aside.is_blocked(first):
                    self._hold(self._waiting.popleft())
                    continue
                items, size = items + len(first.items), size + first.weight
                if batch and (items > self._bounds.items or size > self._bounds.bytes):
                    break
                batch.append(self._waiting.popleft())
                self._count(first, -1)
        return batch

    def _do(self, batch: Sequence[Request[Item, Result]]) -> Sequence[_Outcome[Result]]:
        if not batch:
            return []
        items = [item for request in batch for item in request.items]
        try:
            results = self._pool.hooks.call(partial(self._operation, items))
        except BaseException as error:
            if self._pool.hooks.is_locked(error):
                return self._without_locked(batch, error)
            if self._is_outage(error) or len(batch) == 1:
                return [error] * len(batch)
            logger.exception(
                "A batch of %d requests failed; they are tried one by one.", len(batch)
            )
            return [*self._one_by_one(batch)]
        following = iter(results)
        return [[next(following) for _ in request.items] for request in batch]

    def _one_by_one(self, batch: Sequence[Request[Item, Result]]) -> Iterator[_Outcome[Result]]:
        outage: BaseException | None = None
        for request in batch:
            outcome: _Outcome[Result]
            if outage is None:
                [outcome] = self._one(request)
                if isinstance(outcome, BaseException) and self._is_outage(outcome):
                    outage = outcome  # the others do not wait for it again and again
            yield outcome if outage is None else outage

    def _one(self, request: Request[Item, Result]) -> Sequence[_Outcome[Result]]:
        with self._pool.lock:
            is_blocked = self._aside.is_blocked(request)
        if is_blocked:  # behind one of the others
            self._put_aside(request)
            return [_HELD]
        return self._do([request])

    def _count(self, request: Request[Item, Result], sign: int) -> None:
        self.items += sign * len(request.items)
        self.bytes += sign * request.weight

    # --- locked rows --------------------------------------------------------------------------

    def _without_locked(
        self, batch: Sequence[Request[Item, Result]], error: BaseException
    ) -> Sequence[_Outcome[Result]]:
        """Put the requests aside that need a locked row, and process the others."""
        aside = self._aside.find_blocked(batch)
        if not aside:  # the lock has gone meanwhile, or no request names it
            if len(batch) > 1:
                return [*self._one_by_one(batch)]
            [request] = batch
            request.attempts += 1
            if request.attempts == ATTEMPTS:
                return [error]
            aside = batch
        for request in batch:  # in their order
            if request in aside:
                self._put_aside(request)
        done = iter(self._do([each for each in batch if each not in aside]))
        return [_HELD if each in aside else next(done) for each in batch]

    def _put_aside(self, request: Request[Item, Result]) -> None:
        with self._pool.lock:
            self._count(request, 1)
            self._hold(request)

    def _hold(self, request: Request[Item, Result]) -> None:
        if self.may_hold(len(request.items), request.weight):
            self._aside.hold(request)
        else:
            self._refuse([request])

    def _put_first(self, requests: Sequence[Request[Item, Result]]) -> None:
        self._waiting.extendleft(reversed(requests))

    def _refuse(self, requests: Sequence[Request[Item, Result]]) -> None:
        for request in requests:
            self._count(request, -1)
        if (loop := self._loop()) is not None:
            tell(loop, self._settle, requests, [self._pool.hooks.not_done() for _ in requests])
