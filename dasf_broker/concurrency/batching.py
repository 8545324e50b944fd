"""Batches: do the work of concurrent callers of an event loop for all of them at once.

While a thread works on one batch the next one collects items. So many callers share the cost of a
transaction or a query, and a single caller does not wait for others.
"""

from __future__ import annotations

import asyncio
import logging
import weakref
from collections import deque
from collections.abc import Callable, Collection, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeAlias, TypeVar

from dasf_broker.concurrency.futures import reject, resolve, within
from dasf_broker.concurrency.threads import ThreadPool, tell

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


class Batcher(Generic[Item, Result]):
    """Collects the items of concurrent callers, and passes them to a batch operation in a thread.

    A thread takes a batch when it begins with it, so that waiting items are in one queue and can
    be withdrawn. Items are processed also if their caller is cancelled.

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
    """

    def __init__(
        self,
        pool: ThreadPool,
        operation: Callable[[Sequence[Item]], Sequence[Result]],
        *,
        weigh: Callable[[Item], int] = lambda _: 0,
        bounds: Bounds | None = None,
        is_outage: Callable[[BaseException], bool] = lambda _: False,
    ) -> None:
        self._pool = pool
        self._operation = operation
        self._weigh = weigh
        self._bounds = bounds or BOUNDS
        self._is_outage = is_outage
        # Weakly: what belongs to a loop must not keep it.
        self._loop = weakref.ref(asyncio.get_running_loop())
        # These three under the lock of the pool: the loop adds and withdraws, a thread takes.
        self._waiting: deque[_Request[Item, Result]] = deque()
        self.items = 0
        self.bytes = 0
        #: Whether a turn of the loop, the pool or a thread has it. The loop's own.
        self._is_busy = False
        self._idle = asyncio.Event()
        self._idle.set()

    async def __call__(self, items: Sequence[Item]) -> Sequence[Result]:
        """Process some items, together and in order; return their results."""
        weight = sum(map(self._weigh, items))
        self.check_room(len(items), weight)
        loop = asyncio.get_running_loop()
        request: _Request[Item, Result] = _Request(items, weight, loop.create_future())
        with self._pool.lock:
            self._waiting.append(request)
            self._count(request, 1)
        if not self._is_busy:
            self._is_busy = True
            self._idle.clear()
            # In the next turn: all that is asked for in this one is in the same batch.
            loop.call_soon(self._pool.put, self)
        late = partial(self._give_up, request)
        return await within(self._pool.hooks.timeout, request.results, late)

    def check_room(self, items: int, weight: int) -> None:
        """Check that more items may wait; a subclass raises an error if not."""

    async def idle(self) -> None:
        """Wait until all items are processed."""
        await self._idle.wait()

    def run(self) -> None:
        """Process one batch, in a thread."""
        batch = self._take()
        outcomes = self._do(batch)
        if (loop := self._loop()) is not None:
            tell(loop, self._settle, batch, outcomes)

    # --- in the event loop --------------------------------------------------------------------

    def _give_up(self, request: _Request[Item, Result]) -> Exception:
        with self._pool.lock:
            if request not in self._waiting:
                return self._pool.hooks.unfinished()
            self._waiting.remove(request)
            self._count(request, -1)
        return self._pool.hooks.not_done()

    def _settle(
        self,
        batch: Sequence[_Request[Item, Result]],
        outcomes: Sequence[_Outcome[Result]],
    ) -> None:
        for request, outcome in zip(batch, outcomes, strict=True):
            if isinstance(outcome, BaseException):
                reject(request.results, outcome)
            else:
                resolve(request.results, outcome)
        if self._waiting:
            self._pool.put(self)
        else:
            self._is_busy = False
            self._idle.set()

    # --- in a thread --------------------------------------------------------------------------

    def _take(self) -> list[_Request[Item, Result]]:
        batch: list[_Request[Item, Result]] = []
        items = size = 0
        with self._pool.lock:
            while self._waiting:
                first = self._waiting[0]
                items, size = items + len(first.items), size + first.weight
                if batch and (items > self._bounds.items or size > self._bounds.bytes):
                    break
                batch.append(self._waiting.popleft())
                self._count(first, -1)
        return batch

    def _do(self, batch: Sequence[_Request[Item, Result]]) -> Sequence[_Outcome[Result]]:
        if not batch:
            return []
        items = [item for request in batch for item in request.items]
        try:
            results = self._pool.hooks.call(partial(self._operation, items))
        except BaseException as error:
            if self._is_outage(error) or len(batch) == 1:
                return [error] * len(batch)
            logger.exception(
                "A batch of %d requests failed; they are tried one by one.", len(batch)
            )
            return [*self._one_by_one(batch)]
        following = iter(results)
        return [[next(following) for _ in request.items] for request in batch]

    def _one_by_one(self, batch: Sequence[_Request[Item, Result]]) -> Iterator[_Outcome[Result]]:
        outage: BaseException | None = None
        for request in batch:
            if outage is None:
                [outcome] = self._do([request])
                if isinstance(outcome, BaseException) and self._is_outage(outcome):
                    outage = outcome  # the others do not wait for it again and again
            yield outcome if outage is None else outage

    def _count(self, request: _Request[Item, Result], sign: int) -> None:
        self.items += sign * len(request.items)
        self.bytes += sign * request.weight


class Lookup(Generic[Key, Value]):
    """Reads values by their keys, with one query for all concurrent callers.

    Nothing is cached: a caller gets values that are read after its call.

    Parameters
    ----------
    pool
        The threads to use.
    load
        Reads the values of some keys; keys without a value are missing.
    is_outage
        As for :class:`Batcher`.
    """

    def __init__(
        self,
        pool: ThreadPool,
        load: Callable[[Collection[Key]], Mapping[Key, Value]],
        is_outage: Callable[[BaseException], bool] = lambda _: False,
    ) -> None:
        self._load = load
        self._batcher: Batcher[Key, Value | None] = Batcher(
            pool, self._load_all, is_outage=is_outage
        )

    async def get(self, key: Key) -> Value | None:
        """Return the value of a key, or ``None`` if it has none."""
        [value] = await self._batcher([key])
        return value

    def _load_all(self, keys: Sequence[Key]) -> list[Value | None]:
        found = self._load([*dict.fromkeys(keys)])
        return [found.get(key) for key in keys]


@dataclass(frozen=True, slots=True, eq=False)
class _Request(Generic[Item, Result]):
    items: Sequence[Item]
    weight: int
    results: asyncio.Future[Sequence[Result]]
