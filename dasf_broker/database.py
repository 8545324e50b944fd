"""The bridge from the event loop to the database: a few threads of our own.

Django's ``sync_to_async`` runs everything on one thread, where a slow query freezes every
socket. Here readers share a small pool, and all writes of the process go through one thread,
because that is what group commit wants and what SQLite can do.

A database can be silent for longer than anybody wants to wait, and a thread that waits for it
cannot be stopped. So whoever asks is answered in time, and the thread goes on by itself. There
are never more threads than these; what waits for one is taken out again when its time is over.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, Generic, ParamSpec, TypeVar

from django.db import InterfaceError, OperationalError, connections

from dasf_broker import app_settings
from dasf_broker.concurrency.futures import answer, fail, in_time
from dasf_broker.exceptions import UnavailableError

logger = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

#: Seconds that :func:`close` waits for its threads, unless it is told otherwise.
CLOSE_TIMEOUT = 10.0


async def read(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run a function that reads the database, in one of the reading threads.

    Raises
    ------
    UnavailableError
        The database is locked, down, or has not answered within ``DASF_DATABASE_TIMEOUT``.
    """
    return await _in_time(_readers(), partial(function, *args, **kwargs))


async def write(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run a function that writes to the database, in the one writing thread.

    Raises
    ------
    UnavailableError
        The database is locked, down or full, or has not answered within
        ``DASF_DATABASE_TIMEOUT``. The text says whether it may have been written.
    """
    return await _in_time(_writer(), partial(function, *args, **kwargs))


async def aside(function: Callable[P, T], seconds: float, *args: P.args, **kwargs: P.kwargs) -> T:
    """Run a function that asks something else, a cache say, in a thread of its own.

    Who needs the database does not wait for it. That there is a database all the same, a table
    may be a cache, is the reason why such threads live here.

    Raises
    ------
    UnavailableError
        It is not done within so many seconds.
    """
    return await _in_time(_others(), partial(function, *args, **kwargs), seconds)


def hand_over(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> asyncio.Future[T]:
    """Have a function run in the writing thread in any case, however late.

    Returns
    -------
    Future
        Done when the thread is. Nobody needs to wait for it; cancelling it changes nothing.
    """
    return _writer().submit(partial(function, *args, **kwargs)).future


def not_done() -> UnavailableError:
    """Return the error for what was not even begun, or was undone."""
    return UnavailableError(
        "The broker's database does not answer now. Nothing was changed; try again."
    )


def perhaps_done() -> UnavailableError:
    """Return the error for what may have been written, though nobody could say so."""
    return UnavailableError(
        "The broker's database did not answer in time: it may or may not have been written. "
        "Try again; with the same messageId nothing is written twice."
    )


def close(timeout: float = CLOSE_TIMEOUT) -> None:
    """End the threads and close their connections; they come back on the next use.

    Parameters
    ----------
    timeout
        Seconds to wait for them. A thread that still waits for its database is left behind: it
        ends with the process, and does not keep it from ending.
    """
    _pools.close(timeout)


async def _in_time(pool: _Pool, function: Callable[[], T], seconds: float | None = None) -> T:
    call = pool.submit(function)

    def late() -> UnavailableError:
        return not_done() if pool.withdraw(call) else pool.unsure()

    try:
        return await in_time(call.future, seconds or app_settings.DASF_DATABASE_TIMEOUT, late)
    finally:
        if call.future.cancelled():  # whoever asked has gone
            pool.withdraw(call)


# --- the threads ------------------------------------------------------------------------------


class _Call(Generic[T]):
    """Something that a thread is to do for an event loop."""

    def __init__(self, function: Callable[[], T], unsure: Callable[[], UnavailableError]) -> None:
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[T] = self.loop.create_future()
        self._function = function
        self._unsure = unsure

    def run(self) -> None:
        try:
            result = _guarded(self._function, self._unsure)
        except BaseException as error:  # noqa: BLE001 - it is raised where it was asked for
            self._tell(fail, error)
        else:
            self._tell(answer, result)

    def _tell(self, settle: Callable[[asyncio.Future[T], Any], None], outcome: object) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody waits there any more
            self.loop.call_soon_threadsafe(settle, self.future, outcome)


class _Pool:
    """Some threads that do calls in the order of their coming.

    Not a ``ThreadPoolExecutor``: the interpreter waits for the threads of one at its end, also
    for those that wait for a database in vain; and what is cancelled there stays in the queue.

    Parameters
    ----------
    name, size
        The name of the threads, and how many there are at most.
    unsure
        Makes the error for a call that began, and of which nobody knows whether it was done.
    """

    def __init__(self, name: str, size: int, unsure: Callable[[], UnavailableError]) -> None:
        self.unsure = unsure
        self._name = name
        self._size = size
        self._changed = threading.Condition()
        self._waiting: OrderedDict[_Call[Any], None] = OrderedDict()
        self._threads: set[threading.Thread] = set()
        self._idle = 0
        self._is_ending = False

    def submit(self, function: Callable[[], T]) -> _Call[T]:
        """Have a function run as soon as a thread is free."""
        call = _Call(function, self.unsure)
        with self._changed:
            self._waiting[call] = None
            if len(self._waiting) > self._idle and len(self._threads) < self._size:
                thread = threading.Thread(target=self._work, name=self._name, daemon=True)
                self._threads.add(thread)
                thread.start()
            else:
                self._changed.notify()
        return call

    def withdraw(self, call: _Call[Any]) -> bool:
        """Take a call back; return whether that was possible, because it had not begun."""
        with self._changed:
            if call not in self._waiting:
                return False
            del self._waiting[call]
            return True

    def end(self) -> set[threading.Thread]:
        """Let the threads end when nothing waits any more; return them."""
        with self._changed:
            self._is_ending = True
            self._changed.notify_all()
            return set(self._threads)

    def _work(self) -> None:
        while (call := self._next()) is not None:
            call.run()
            del call  # nor what it returned, until the next one comes
        connections.close_all()

    def _next(self) -> _Call[Any] | None:
        with self._changed:
            while not self._waiting:
                if self._is_ending:
                    self._threads.discard(threading.current_thread())
                    return None
                self._idle += 1
                self._changed.wait()
                self._idle -= 1
            call, _ = self._waiting.popitem(last=False)
            return call


class _Pools:
    """The pools of this process, made on first use."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pools: dict[str, _Pool] = {}

    def get(self, name: str, size: int, unsure: Callable[[], UnavailableError]) -> _Pool:
        with self._lock:
            if name not in self._pools:
                self._pools[name] = _Pool(name, size, unsure)
            return self._pools[name]

    def close(self, timeout: float) -> None:
        with self._lock:
            pools, self._pools = self._pools, {}
        threads = [thread for pool in pools.values() for thread in pool.end()]
        deadline = time.monotonic() + timeout
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        if left := sum(thread.is_alive() for thread in threads):
            logger.warning("%d threads still wait for the database; they are left behind.", left)


_pools = _Pools()


def _readers() -> _Pool:
    return _pools.get("dasf-read", app_settings.DASF_DATABASE_THREADS, not_done)


def _writer() -> _Pool:
    return _pools.get("dasf-write", 1, perhaps_done)


def _others() -> _Pool:
    return _pools.get("dasf-aside", 1, not_done)


# --- the database -----------------------------------------------------------------------------


#: Errors of psycopg and its pool of who never had a connection.
_NOT_CONNECTED = {"PoolTimeout", "PoolClosed", "TooManyRequests", "ConnectionTimeout"}


def _guarded(call: Callable[[], T], unsure: Callable[[], UnavailableError]) -> T:
    _drop_broken_connections()
    try:
        return call()
    except (OperationalError, InterfaceError) as error:
        raise (not_done() if _was_undone(error.__cause__) else unsure()) from error


def _was_undone(cause: BaseException | None) -> bool:
    """Tell whether it is certain that nothing was committed."""
    if (name := getattr(cause, "sqlite_errorname", None)) is not None:
        return not name.startswith("SQLITE_IOERR")
    # A server that answers says why it did not commit. One that went away in the middle of it
    # says nothing more, or (57P) that it goes.
    if (state := getattr(cause, "sqlstate", None)) is not None:
        return not state.startswith(("08", "57P"))
    return type(cause).__name__ in _NOT_CONNECTED or "connection failed" in str(cause)


def _drop_broken_connections() -> None:
    # Not `close_old_connections`: with CONN_MAX_AGE=0 it would reconnect on every call, and
    # these threads are few and long-lived, so that each may keep its connection.
    for connection in connections.all(initialized_only=True):
        if connection.errors_occurred:
            connection.close_if_unusable_or_obsolete()
