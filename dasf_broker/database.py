"""The bridge from the event loop to the database: a few threads of our own.

Django's ``sync_to_async`` runs everything on one thread, where a slow query freezes every
socket. Here readers share a small pool, and all writes of the process go through one thread,
because that is what group commit wants and what SQLite can do.
"""

from __future__ import annotations

import logging
import threading
import time
from asyncio import Future
from collections.abc import Callable, Collection, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, ParamSpec, TypeVar

from django.db import Error, connections, transaction

from dasf_broker import app_settings, db_connections, primary, test_mode
from dasf_broker.concurrency.locked_rows import FindLocked, Needs
from dasf_broker.concurrency.outage_log import SharedOutageLog
from dasf_broker.concurrency.shares import current_share
from dasf_broker.concurrency.threads import ThreadPool
from dasf_broker.domain.database_errors import Outcome, is_of_session
from dasf_broker.exceptions import RateLimitedError, UnavailableError

logger = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

#: Seconds that :func:`close` waits for its threads, unless it is told otherwise.
CLOSE_TIMEOUT = 10.0

#: Seconds for which a thread without work keeps a connection that belongs to a pool. A little more
#: than a busy client takes from one request to the next: to get one back takes as long as a query.
KEEP = 0.1

#: Seconds after the last failure until what works again counts as the end of an outage.
QUIET = 3.0

#: The outages of the database, as reading and writing threads see them.
OUTAGES = SharedOutageLog(logger, "The database", quiet=QUIET)


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


async def write_rows(
    rows: Collection[Hashable], function: Callable[P, T], *args: P.args, **kwargs: P.kwargs
) -> T:
    """Do as :func:`write`, for a function that locks rows and makes one transaction.

    If another transaction has locked one of them, other writes go on, and the function is called
    again when the row is free.

    Parameters
    ----------
    rows
        The rows, as the function knows them that was given to :func:`find_locked_by`.
    """
    needs = Needs(frozenset(rows), frozenset(rows))
    call = partial(function, *args, **kwargs)
    return await WRITING.run(call, share=current_share(), needs=needs)


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


def not_done(**details: Any) -> UnavailableError:
    """Return the error for what was not even begun, or was undone."""
    return UnavailableError(
        "The broker's database does not answer now. Nothing was changed; try again.", **details
    )


def throttled() -> RateLimitedError:
    """Return the error for what did not begin because its caller asked for so much else."""
    return RateLimitedError(
        "Your other requests to the database took all the time. Nothing was changed; send fewer "
        "at once, or smaller ones, and try again.",
        retryAfter=1,
    )


def perhaps_done(**details: Any) -> UnavailableError:
    """Return the error for what may or may not have been written."""
    return UnavailableError(
        "The broker's database did not answer in time: it may or may not have been written. "
        "Try again; with the same messageId nothing is written twice.",
        **details,
    )


def unavailable(error: BaseException) -> UnavailableError | None:
    """Return the error for callers that an error of the database stands for, if it does."""
    match db_connections.outcome(error):
        case Outcome.FAULT:
            return None
        case Outcome.PERHAPS_DONE:
            return perhaps_done()
        case _:
            return not_done()


def non_atomic_requests(view: Callable[P, T]) -> Callable[P, T]:
    """Mark a view that needs no transaction of its request, in any database.

    Django refuses asynchronous views under ``ATOMIC_REQUESTS`` otherwise.
    """
    for alias in connections:
        view = transaction.non_atomic_requests(alias)(view)
    return view


class RowLockedError(UnavailableError):
    """Another transaction has locked a row for longer than a lock is waited for."""


def row_locked() -> RowLockedError:
    """Return the error for what was undone because a row is locked."""
    return RowLockedError(
        "Another transaction has locked what this would change. Nothing was changed; try again."
    )


def is_outage(error: BaseException) -> bool:
    """Tell whether the database does not answer, as all callers would find out."""
    return isinstance(error, UnavailableError) and not isinstance(error, RowLockedError)


def waits_briefly() -> bool:
    """Tell whether this thread must not wait long for a lock: it is the writing thread."""
    return getattr(_thread, "waits_briefly", False)


def find_locked_by(find: FindLocked) -> None:
    """Set the function that tells which rows are locked, of those that writes need."""
    _finder.append(find)


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


_thread = threading.local()
_finder: list[FindLocked] = []

#: The state of PostgreSQL after ``lock_timeout``, and with ``NOWAIT``.
_LOCK_NOT_AVAILABLE = "55P03"


# --- the threads ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _PoolHooks:
    """What surrounds each call to the database."""

    #: For a call that began, and may or may not have been done.
    lost: Callable[..., UnavailableError]
    #: What the threads do, for the log; without it, their callers log failures.
    activity: str | None
    #: Whether the functions only read: they are tried again if something came in between.
    is_reading: bool = False
    #: How many threads there are at most; without it, as ``DASF_DATABASE_THREADS`` says.
    threads: int | None = None
    #: Whether the threads must not wait long for a lock.
    waits_briefly: bool = False

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
        db_connections.renew()
        try:
            with primary.reads(), self._locks_bounded():
                result = db_connections.retried(function)() if self.is_reading else function()
        except Error as error:
            if getattr(error.__cause__, "sqlstate", None) == _LOCK_NOT_AVAILABLE:
                raise row_locked() from error
            if (outcome := db_connections.outcome(error)) is Outcome.FAULT:
                raise
            raise self._unavailable(error, outcome) from error
        finally:
            db_connections.give_back_if_wanted()
        if self.activity is not None:
            OUTAGES.recovered(self.activity)
        return result

    def _unavailable(self, error: Error, outcome: Outcome) -> UnavailableError:
        make = self.lost if outcome is Outcome.PERHAPS_DONE else not_done
        unavailable = make(**self._logged(_kind(error), db_connections.describe(error)))
        if outcome is not Outcome.CONFLICT and is_of_session(error.__cause__):
            db_connections.throw_away()
        return unavailable

    def _logged(self, kind: str, cause: str) -> dict[str, str]:
        """Log a failure; return the details of the error for the caller."""
        if self.activity is None:
            return {}
        return {"logId": OUTAGES.failed(self.activity, kind, cause)}

    @property
    def idle_seconds(self) -> float | None:
        return KEEP if db_connections.has_pooled() else None

    def rest(self) -> None:
        db_connections.give_back()

    @contextmanager
    def _locks_bounded(self) -> Iterator[None]:
        # In the transaction of a host's test, the bound would last until its end.
        opened = connections.all(initialized_only=True)
        is_tested = any(connection.in_atomic_block for connection in opened)
        _thread.waits_briefly = self.waits_briefly and not is_tested
        try:
            yield
        finally:
            _thread.waits_briefly = False

    def is_locked(self, error: BaseException) -> bool:
        return isinstance(error, RowLockedError)

    def find_locked(
        self, rows: Collection[Hashable], waited_for: Hashable | None
    ) -> Collection[Hashable]:
        if not _finder or not rows:
            return ()
        try:
            return self.call(partial(_finder[-1], rows, waited_for))
        except UnavailableError:
            return rows  # they are tried when the database answers again
        except Exception:
            logger.exception("The locks of rows cannot be found.")
            return ()

    def divert(self, work: Callable[[], None], otherwise: Callable[[], None]) -> bool:
        if is_tested := test_mode.are_running():
            test_mode.run(work, otherwise)
        return is_tested

    def end(self) -> None:
        connections.close_all()

    def not_done(self) -> UnavailableError:
        return not_done(**self._logged(*_too_late()))

    def unfinished(self) -> UnavailableError:
        return self.lost(**self._logged(*_too_late()))

    def throttled(self) -> RateLimitedError:
        return throttled()


def _kind(error: Error) -> str:
    cause = error.__cause__
    state = getattr(cause, "sqlstate", None) or getattr(cause, "sqlite_errorname", None)
    return f"{type(cause).__name__} {state}"


def _too_late() -> tuple[str, str]:
    seconds = app_settings.DASF_DATABASE_TIMEOUT
    return "late", f"no answer within {seconds:g} s (DASF_DATABASE_TIMEOUT)"


#: The threads of :func:`read`, :func:`write` and :func:`aside`, for batches.
READING = ThreadPool("dasf-read", _PoolHooks(not_done, "reading", is_reading=True), reserved=1)
WRITING = ThreadPool(
    "dasf-write", _PoolHooks(perhaps_done, "writing", threads=1, waits_briefly=True)
)
ASIDE = ThreadPool("dasf-aside", _PoolHooks(not_done, None, threads=1))
