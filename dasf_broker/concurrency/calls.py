"""Functions that the threads of a pool call for event loops, and for other threads."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeVar

from dasf_broker.concurrency.futures import reject, resolve
from dasf_broker.concurrency.locked_rows import Needs
from dasf_broker.concurrency.shares import Share

if TYPE_CHECKING:
    from dasf_broker.concurrency.threads import ThreadPool

T = TypeVar("T")

#: How often work is tried that fails because of a lock on a row that it does not name.
ATTEMPTS = 3


class Call(Generic[T]):
    """One function to call for one event loop."""

    def __init__(
        self,
        pool: ThreadPool,
        function: Callable[[], T],
        share: Share = None,
        needs: Needs = Needs(),  # noqa: B008 - it cannot be changed
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self.future: asyncio.Future[T] = self._loop.create_future()
        self._pool = pool
        self._function = function
        self._share = share
        self._needs = needs
        self._attempts = 0

    def run(self) -> None:
        """Call it, in a thread."""
        if self._needs.rows and self._is_held():
            return
        try:
            result = self._pool.hooks.call(self._function)
        except BaseException as error:  # noqa: BLE001 - it is raised where the caller waits
            if not (self._pool.hooks.is_locked(error) and self._hold()):
                tell(self._loop, reject, self.future, error)
        else:
            tell(self._loop, resolve, self.future, result)

    def _is_held(self) -> bool:
        with self._pool.lock:
            return self._pool.locked.block(self._needs) and self._keep()

    def _hold(self) -> bool:
        self._attempts += 1
        is_known = bool(self._pool.find_blocked([(self, self._needs)]))
        if not self._needs.rows or not (is_known or self._attempts < ATTEMPTS):
            return False
        with self._pool.lock:
            return self._keep()

    def _keep(self) -> bool:
        if self.future.done():  # the caller has gone, or its time is over
            return False
        self._pool.locked.hold(self, self, self._needs, self._pool.hooks.timeout)
        self._pool.look_soon()
        return True

    def take_back(self, _: Sequence[Any]) -> None:
        """Nothing: its queue is the one of the pool."""

    def resume(self) -> None:
        """Call it again."""
        self._pool.resume(self, self._share)

    def refuse(self, _: Sequence[Any]) -> None:
        """Give it up."""
        tell(self._loop, reject, self.future, self._pool.hooks.not_done())


class Waiting(Generic[T]):
    """One function to call for a thread."""

    def __init__(self, pool: ThreadPool, function: Callable[[], T]) -> None:
        self.is_done = threading.Event()
        self.outcome: Callable[[], T]
        self._call = pool.hooks.call
        self._function = function

    def run(self) -> None:
        """Call it, in a thread."""
        try:
            result = self._call(self._function)
        except BaseException as error:  # noqa: BLE001 - it is raised where the thread waits
            self.outcome = partial(_raise, error)
        else:
            self.outcome = lambda: result
        self.is_done.set()


def _raise(error: BaseException) -> NoReturn:
    raise error


def tell(loop: asyncio.AbstractEventLoop, callback: Callable[..., None], *arguments: Any) -> None:
    """Let an event loop call a function, from a thread; nothing happens if the loop is closed."""
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(callback, *arguments)
