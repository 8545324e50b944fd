"""The bridge from the event loop to the database: a few threads of our own.

Django's ``sync_to_async`` runs everything on one thread, where a slow query freezes every
socket. Here readers share a small pool, and all writes of the process go through one thread,
because that is what group commit wants and what SQLite can do.
"""

from __future__ import annotations

import logging
import time
from asyncio import Future
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import ParamSpec, TypeVar

from django.db import InterfaceError, OperationalError, connections, transaction

from dasf_broker import app_settings, primary, test_mode
from dasf_broker.concurrency.shares import current_share
from dasf_broker.concurrency.threads import ThreadPool
from dasf_broker.exceptions import RateLimitedError, UnavailableError

logger = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

#: Seconds that :func:`close` waits for its threads, unless it is told otherwise.
CLOSE_TIMEOUT = 10.0


async def read(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run a function that reads the database for a caller, in one of the reading threads.

    Callers take turns, and few threads read for one of them.

    Raises
    ------
    UnavailableError
        The database is locked, down, or has not answered within ``DASF_DATABASE_TIMEOUT``.
    RateLimitedError
        The caller's other reads took all of that time.
    """
    return await READING.run(partial(function, *args, **kwargs), share=current_share())


async def read_first(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run a function that reads the database for the server itself, before all callers' reads.

    It is for authentication, revocation and the hub: one thread is kept for them.

    Raises
    ------
    UnavailableError
        As :func:`read`.
    """
    return await READING.run(partial(function, *args, **kwargs))


async def write(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run a function that writes to the database, in the one writing thread.

    Raises
    ------
    UnavailableError
        The database is locked, down or full, or has not answered within
        ``DASF_DATABASE_TIMEOUT``. The text says whether it may have been written.
    """
    return await WRITING.run(partial(function, *args, **kwargs), share=current_share())


async def aside(function: Callable[P, T], seconds: float, *args: P.args, **kwargs: P.kwargs) -> T:
    """Run a function that asks something else, a cache say, in a thread of its own.

    Callers who need the database do not wait for it. There may be a database behind it all the
    same (a table may be a cache), which is why such threads live here.

    Raises
    ------
    UnavailableError
        It is not done within so many seconds.
    """
    return await ASIDE.run(partial(function, *args, **kwargs), seconds)


def aside_now(function: Callable[P, T], seconds: float, *args: P.args, **kwargs: P.kwargs) -> T:
    """Do as :func:`aside` from a thread, which waits for it."""
    if test_mode.are_running():  # the thread may be needed: it has the test's connection
        return function(*args, **kwargs)
    return ASIDE.wait(partial(function, *args, **kwargs), seconds)


def hand_over(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
    """Have a function run in the writing thread in any case, however late.

    Returns
    -------
    Future
        Done when the thread is. It need not be awaited; cancelling it changes nothing.
    """
    return WRITING.hand_over(partial(function, *args, **kwargs))


def not_done() -> UnavailableError:
    """Return the error for what was not even begun, or was undone."""
    return UnavailableError(
        "The broker's database does not answer now. Nothing was changed; try again."
    )


def throttled() -> RateLimitedError:
    """Return the error for what did not begin because its caller asked for so much else."""
    return RateLimitedError(
        "Your other requests to the database took all the time. Nothing was changed; send fewer "
        "at once, or smaller ones, and try again.",
        retryAfter=1,
    )


def perhaps_done() -> UnavailableError:
    """Return the error for what may or may not have been written."""
    return UnavailableError(
        "The broker's database did not answer in time: it may or may not have been written. "
        "Try again; with the same messageId nothing is written twice."
    )


def non_atomic_requests(view: Callable[P, T]) -> Callable[P, T]:
    """Mark a view that needs no transaction of its request, in any database.

    Django refuses asynchronous views under ``ATOMIC_REQUESTS`` otherwise.
    """
    for alias in connections:
        view = transaction.non_atomic_requests(alias)(view)
    return view


def is_outage(error: BaseException) -> bool:
    """Tell whether the database does not answer, as all callers would find out."""
    return isinstance(error, UnavailableError)


def close(timeout: float = CLOSE_TIMEOUT) -> None:
    """End the threads and close their connections; they come back on the next use.

    Parameters
    ----------
    timeout
        Seconds to wait for them. A thread that still waits for its database is left behind: it
        ends with the process, and does not keep it from ending.
    """
    threads = [thread for pool in (READING, WRITING, ASIDE) for thread in pool.end()]
    deadline = time.monotonic() + timeout
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    if left := sum(thread.is_alive() for thread in threads):
        logger.warning("%d threads still wait for the database; they are left behind.", left)


# --- the threads ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _PoolHooks:
    """What surrounds each call to the database."""

    #: For a call that began, and may or may not have been done.
    unfinished: Callable[[], UnavailableError]
    #: How many threads there are at most; without it, as ``DASF_DATABASE_THREADS`` says.
    threads: int | None = None

    @property
    def size(self) -> int:
        return self.threads or app_settings.DASF_DATABASE_THREADS

    @property
    def timeout(self) -> float:
        return app_settings.DASF_DATABASE_TIMEOUT

    def call(self, function: Callable[[], T]) -> T:
        if test_mode.are_running():
            return test_mode.call(partial(self._call, function))
        return self._call(function)

    def _call(self, function: Callable[[], T]) -> T:
        _drop_broken_connections()
        try:
            with primary.reads():
                return function()
        except (OperationalError, InterfaceError) as error:
            undone = _was_undone(error.__cause__)
            raise (not_done() if undone else self.unfinished()) from error

    def divert(self, work: Callable[[], None], otherwise: Callable[[], None]) -> bool:
        if is_tested := test_mode.are_running():
            test_mode.run(work, otherwise)
        return is_tested

    def end(self) -> None:
        connections.close_all()

    def not_done(self) -> UnavailableError:
        return not_done()

    def throttled(self) -> RateLimitedError:
        return throttled()


#: The threads of :func:`read`, :func:`write` and :func:`aside`, for batches.
READING = ThreadPool("dasf-read", _PoolHooks(unfinished=not_done), reserved=1)
WRITING = ThreadPool("dasf-write", _PoolHooks(unfinished=perhaps_done, threads=1))
ASIDE = ThreadPool("dasf-aside", _PoolHooks(unfinished=not_done, threads=1))


# --- the database -----------------------------------------------------------------------------


#: Errors of psycopg and its pool of calls that never had a connection.
_NOT_CONNECTED = {"PoolTimeout", "PoolClosed", "TooManyRequests", "ConnectionTimeout"}


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
