"""Threads that do blocking work for event loops.

A call may take longer than its caller wants to wait, and a thread cannot be stopped. So the caller
gets an error in time, and the thread goes on. A pool never has more threads than its size; a call
whose time is over before it begins is removed from the queue. Callers take turns: see
:mod:`.fair_queue`.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable, Collection, Hashable, Sequence
from functools import partial
from typing import Protocol, TypeVar
from weakref import WeakSet

from dasf_broker.concurrency.calls import Call, Waiting
from dasf_broker.concurrency.fair_queue import FairQueue
from dasf_broker.concurrency.futures import within
from dasf_broker.concurrency.locked_rows import INTERVAL, LockedRows, Needs
from dasf_broker.concurrency.loop_local import LoopLocal
from dasf_broker.concurrency.pauses import Pauses
from dasf_broker.concurrency.shares import Share

T = TypeVar("T")
Entry = TypeVar("Entry", bound=Hashable)

#: Most threads that work for one caller.
PER_SHARE = 2


class Work(Protocol):
    """An entry in the queue of a pool."""

    def run(self) -> None:
        """Do the work, in a thread. It must not raise."""


class PoolHooks(Protocol):
    """The owner's part of a pool: settings, errors, and a wrapper around each call."""

    @property
    def size(self) -> int:
        """How many threads there are, at most."""

    @property
    def timeout(self) -> float:
        """Seconds after which a caller gets an error."""

    def call(self, function: Callable[[], T]) -> T:
        """Call a function, in a thread; raise the error for its caller."""

    def divert(self, work: Callable[[], None], otherwise: Callable[[], None]) -> bool:
        """Do work elsewhere than in a thread of the pool; return whether that is possible.

        Parameters
        ----------
        work
            The work to do.
        otherwise
            Puts the work into the queue of the pool, if it turns out that it belongs there.
        """

    @property
    def idle_seconds(self) -> float | None:
        """Seconds after which a thread without work is to rest; ``None``: never."""

    def rest(self) -> None:
        """Free what the current thread does not need while it has no work."""

    def end(self) -> None:
        """Free the resources of the current thread, at its end."""

    def is_locked(self, error: BaseException) -> bool:
        """Tell whether a call failed because a row was locked; it may be made again."""

    def find_locked(
        self, rows: Collection[Hashable], waited_for: Hashable | None
    ) -> Collection[Hashable]:
        """Return those of some rows that are locked; wait for one of them for a moment."""

    def not_done(self) -> Exception:
        """Return the error for a call that did not begin."""

    def unfinished(self) -> Exception:
        """Return the error for a call that began, and may or may not be done."""

    def throttled(self) -> Exception:
        """Return the error for a call that did not begin because of its caller's other calls."""


class ThreadPool:
    """Threads that serve one queue.

    It is no ``ThreadPoolExecutor``: at its end the interpreter waits for the threads of one, also
    for those that wait for a dead database; and cancelled calls stay in its queue.

    Parameters
    ----------
    name
        The name of the threads.
    hooks
        The owner's part.
    reserved
        Threads that are kept for work without a share, if there is more than one.
    """

    def __init__(self, name: str, hooks: PoolHooks, *, reserved: int = 0) -> None:
        self.hooks = hooks
        self._name = name
        self._reserved = reserved
        self._begin()
        _pools.add(self)

    def _begin(self) -> None:
        #: Guards the queue, and the queues of the work in it.
        self.lock = threading.Lock()
        self._changed = threading.Condition(self.lock)
        self._queue: FairQueue[Work] = FairQueue(PER_SHARE)
        self._pauses = LoopLocal(lambda: Pauses(self.is_busy))
        self._threads: set[threading.Thread] = set()
        self._idle = 0
        #: What waits for locked rows. With more than one thread, the order may be lost.
        self.locked = LockedRows(self.lock)
        self._look = _Look(self)
        self._look_due: float | None = None

    def is_busy(self) -> bool:
        """Tell whether there is work that waits or is being done."""
        return len(self._queue) > 0 or self._idle < len(self._threads)

    async def run(
        self,
        function: Callable[[], T],
        seconds: float | None = None,
        *,
        share: Share = None,
        needs: Needs = Needs(),  # noqa: B008 - it cannot be changed
    ) -> T:
        """Call a function in a thread, and return what it returns.

        Parameters
        ----------
        function
            Called without arguments.
        seconds
            How long to wait; without it the pool's own timeout.
        share
            The share of the caller that the call belongs to; without it, it comes first.
        needs
            The rows that it locks, if they are known. The function is called again if one of them
            is locked.
        """
        call = Call(self, function, share, needs)
        finished = self._queue.finished(share)
        self.put(call, share)

        def late() -> Exception:
            # Before it is withdrawn: afterwards nothing of the share may wait.
            is_stuck = finished == self._queue.finished(share)
            if not self.withdraw(call):
                return self.hooks.unfinished()
            return self.hooks.not_done() if is_stuck else self.hooks.throttled()

        try:
            return await within(seconds or self.hooks.timeout, call.future, late)
        finally:
            if call.future.cancelled():  # the caller has gone
                self.withdraw(call)

    def hand_over(self, function: Callable[[], T]) -> asyncio.Future[T]:
        """Call a function in any case, however late.

        Returns
        -------
        Future
            Done when the function has returned. You need not await it; cancelling it does not
            stop the function.
        """
        call = Call(self, function)
        self.put(call)
        return call.future

    def wait(self, function: Callable[[], T], seconds: float) -> T:
        """Call a function in a thread of the pool, from another thread that waits for it."""
        call = Waiting(self, function)
        self._enqueue(call, None)
        if not call.is_done.wait(seconds):
            raise self.hooks.not_done() if self.withdraw(call) else self.hooks.unfinished()
        return call.outcome()

    def put(self, work: Work, share: Share = None) -> None:
        """Queue work for the next free thread, from an event loop."""
        if not self.hooks.divert(work.run, partial(self._put, work, share)):
            self._put(work, share)

    def _put(self, work: Work, share: Share) -> None:
        self._pauses.get().begin()
        self._enqueue(work, share)

    def _enqueue(self, work: Work, share: Share) -> None:
        with self.lock:
            self._queue.put(work, share)
            if len(self._queue) > self._idle and len(self._threads) < self.hooks.size:
                thread = threading.Thread(target=self._work, name=self._name, daemon=True)
                self._threads.add(thread)
                thread.start()
            else:
                self._changed.notify()

    def withdraw(self, work: Work) -> bool:
        """Remove work from the queue; return whether it was still there."""
        with self.lock:
            return self._queue.remove(work) or self.locked.withdraw(work)

    def resume(self, work: Work, share: Share = None) -> None:
        """Queue work that waited for locked rows."""
        self._enqueue(work, share)

    def look_soon(self) -> None:
        """Look at the locks of rows soon; called under the lock."""
        if self._look_due is None:
            self._look_due = time.monotonic() + INTERVAL
            self._changed.notify()

    def find_blocked(self, entries: Sequence[tuple[Entry, Needs]]) -> Collection[Entry]:
        """Return those of some entries that need a row which is locked, or wait behind others."""
        rows = {row for _, needs in entries for row in needs.rows}
        locked = {*self.hooks.find_locked(rows, None)}
        with self.lock:
            self.locked.note(locked)
        orders: set[Hashable] = set()
        blocked: set[Entry] = set()
        for entry, needs in entries:
            if not (locked.isdisjoint(needs.rows) and orders.isdisjoint(needs.order)):
                blocked.add(entry)
                orders |= needs.order
        return blocked

    def end(self) -> set[threading.Thread]:
        """Let the threads end when the queue is empty; return them. Later work starts new ones."""
        with self.lock:
            ending, self._threads = self._threads, set()
            self._changed.notify_all()
            return ending

    def _work(self) -> None:
        while (taken := self._next_or_rest()) is not None:
            work, share = taken
            work.run()
            del work, taken  # nor what they hold, until the next work comes
            self._finish(share)
        self.hooks.end()

    def _next_or_rest(self) -> tuple[Work, Share] | None:
        try:
            return self._next(self.hooks.idle_seconds)
        except TimeoutError:
            self.hooks.rest()
            return self._next(None)

    def _finish(self, share: Share) -> None:
        with self.lock:
            self._queue.finish(share)

    def _next(self, seconds: float | None) -> tuple[Work, Share] | None:
        with self.lock:
            while (taken := self._take()) is None:
                if threading.current_thread() not in self._threads and not self.locked:
                    return None
                self._idle += 1
                is_told = self._changed.wait(self._seconds_to_wait(seconds))
                self._idle -= 1
                if not is_told and self._look_due is None:
                    raise TimeoutError
            return taken

    def _take(self) -> tuple[Work, Share] | None:
        if self._seconds_until_look() == 0:
            self._look_due = None
            self._queue.put(self._look, None)  # behind what waits already
        return self._queue.take(max(1, self.hooks.size - self._reserved))

    def _seconds_to_wait(self, seconds: float | None) -> float | None:
        due = self._seconds_until_look()
        return seconds if due is None else due

    def _seconds_until_look(self) -> float | None:
        return None if self._look_due is None else max(0.0, self._look_due - time.monotonic())


class _Look:
    """The look at the locks that work waits for."""

    def __init__(self, pool: ThreadPool) -> None:
        self._pool = pool

    def run(self) -> None:
        self._pool.locked.look(self._pool.hooks.find_locked)
        with self._pool.lock:
            if self._pool.locked:
                self._pool.look_soon()


_pools: WeakSet[ThreadPool] = WeakSet()


def _begin_anew() -> None:
    # After a fork: the threads, and the callers of what is queued, are in the other process.
    for pool in _pools:
        pool._begin()


os.register_at_fork(after_in_child=_begin_anew)
