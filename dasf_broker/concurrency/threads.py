"""Threads that work for event loops, which must not wait themselves.

A call may take longer than its caller wants to wait, and a thread cannot be stopped. So the caller
is answered in time, and the thread goes on by itself. There are never more threads than a pool's
size; a call whose time is over before it begins is taken out of the queue.
"""

from __future__ import annotations

import asyncio
import threading
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, Generic, Protocol, TypeVar

from dasf_broker.concurrency.futures import reject, resolve, within

T = TypeVar("T")


class Work(Protocol):
    """What waits in the queue of a pool."""

    def run(self) -> None:
        """Do it, in a thread. Nothing may be raised."""


class Surroundings(Protocol):
    """What the owner of a pool adds to it: settings, errors, and what surrounds each call."""

    @property
    def size(self) -> int:
        """How many threads there are, at most."""

    @property
    def timeout(self) -> float:
        """Seconds after which a caller is answered."""

    def call(self, function: Callable[[], T]) -> T:
        """Call a function, in a thread; raise what its caller is to be told."""

    def divert(self, work: Callable[[], None], otherwise: Callable[[], None]) -> bool:
        """Have work done elsewhere than in a thread of the pool; return whether it is.

        Parameters
        ----------
        work
            What is to be done.
        otherwise
            Puts it into the queue of the pool, should it turn out that it belongs there.
        """

    def end(self) -> None:
        """Let go of what the current thread holds, at its end."""

    def not_done(self) -> Exception:
        """Return the error for a call that did not even begin."""

    def unfinished(self) -> Exception:
        """Return the error for a call that began, and may or may not have been done."""


class ThreadPool:
    """Some threads that work off one queue, first in, first out.

    Not a ``ThreadPoolExecutor``: the interpreter waits for the threads of one at its end, also
    for those that wait for a database in vain; and what is cancelled there stays in the queue.

    Parameters
    ----------
    name
        The name of the threads.
    surroundings
        What surrounds each call.
    """

    def __init__(self, name: str, surroundings: Surroundings) -> None:
        self.surroundings = surroundings
        #: Guards the queue, and the queues of the work in it.
        self.lock = threading.Lock()
        self._changed = threading.Condition(self.lock)
        self._name = name
        self._queue: OrderedDict[Work, None] = OrderedDict()
        self._threads: set[threading.Thread] = set()
        self._idle = 0

    async def run(self, function: Callable[[], T], seconds: float | None = None) -> T:
        """Call a function in a thread, and return what it returns.

        Parameters
        ----------
        function
            Takes nothing.
        seconds
            How long to wait; without it the pool's own timeout.
        """
        call = _Call(self, function)
        self.put(call)

        def late() -> Exception:
            is_waiting = self.withdraw(call)
            return self.surroundings.not_done() if is_waiting else self.surroundings.unfinished()

        try:
            return await within(seconds or self.surroundings.timeout, call.future, late)
        finally:
            if call.future.cancelled():  # the caller has gone
                self.withdraw(call)

    def hand_over(self, function: Callable[[], T]) -> asyncio.Future[T]:
        """Have a function called in any case, however late.

        Returns
        -------
        Future
            Done when the thread is. It need not be awaited; cancelling it changes nothing.
        """
        call = _Call(self, function)
        self.put(call)
        return call.future

    def put(self, work: Work) -> None:
        """Have work done as soon as a thread is free."""
        if not self.surroundings.divert(work.run, partial(self._put, work)):
            self._put(work)

    def _put(self, work: Work) -> None:
        with self.lock:
            self._queue[work] = None
            if len(self._queue) > self._idle and len(self._threads) < self.surroundings.size:
                thread = threading.Thread(target=self._work, name=self._name, daemon=True)
                self._threads.add(thread)
                thread.start()
            else:
                self._changed.notify()

    def withdraw(self, work: Work) -> bool:
        """Take work back; return whether that was possible, because it had not begun."""
        with self.lock:
            if work not in self._queue:
                return False
            del self._queue[work]
            return True

    def end(self) -> set[threading.Thread]:
        """Let the threads end when the queue is empty; return them. Later work starts new ones."""
        with self.lock:
            ending, self._threads = self._threads, set()
            self._changed.notify_all()
            return ending

    def _work(self) -> None:
        while (work := self._next()) is not None:
            work.run()
            del work  # nor what it holds, until the next one comes
        self.surroundings.end()

    def _next(self) -> Work | None:
        with self.lock:
            while not self._queue:
                if threading.current_thread() not in self._threads:
                    return None
                self._idle += 1
                self._changed.wait()
                self._idle -= 1
            work, _ = self._queue.popitem(last=False)
            return work


class _Call(Generic[T]):
    """One function to call for one event loop."""

    def __init__(self, pool: ThreadPool, function: Callable[[], T]) -> None:
        self._loop = asyncio.get_running_loop()
        self.future: asyncio.Future[T] = self._loop.create_future()
        self._call = pool.surroundings.call
        self._function = function

    def run(self) -> None:
        try:
            result = self._call(self._function)
        except BaseException as error:  # noqa: BLE001 - it is raised where the caller waits
            tell(self._loop, reject, self.future, error)
        else:
            tell(self._loop, resolve, self.future, result)


def tell(loop: asyncio.AbstractEventLoop, callback: Callable[..., None], *arguments: Any) -> None:
    """Have an event loop call a function, from a thread; nothing happens if it is closed."""
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(callback, *arguments)
