"""The database connections of a thread: thrown away, given back to their pool, and tried again."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import wraps
from typing import Any, ParamSpec, TypeVar
from weakref import WeakKeyDictionary

from django.db import Error, InterfaceError, OperationalError, connections

from dasf_broker.domain.database_errors import Outcome, outcome_of

P = ParamSpec("P")
T = TypeVar("T")

#: How often a transaction is tried in which others come in between, and the longest pause before
#: the second attempt, in seconds. It doubles each time.
ATTEMPTS = 6
PAUSE = 0.01

#: Seconds between two renewals of a pool, at least.
RENEWAL_STEP = 1.0

#: Seconds between two looks of a thread whether somebody waits for its connections, at least.
LOOK_STEP = 0.005

_looked = threading.local()

#: When each pool was renewed.
_renewed: WeakKeyDictionary[Any, float] = WeakKeyDictionary()

#: Most characters of a cause in the log.
MAX_CAUSE = 500


def outcome(error: BaseException) -> Outcome:
    """Tell what an error of Django's means for its caller.

    It is Django's, not the driver's: that is its cause. Django sorts by the parents of psycopg's
    classes, and so puts a server that is read-only among the internal errors.
    """
    if not isinstance(error, Error):
        return Outcome.FAULT
    if (known := outcome_of(error.__cause__)) is not None:
        return known
    is_broken = isinstance(error, (OperationalError, InterfaceError))
    return Outcome.PERHAPS_DONE if is_broken else Outcome.FAULT


def retried(function: Callable[P, T]) -> Callable[P, T]:
    """Repeat a function in which another transaction came in between, a few times.

    It is for functions that are one transaction each, and change nothing else. In the transaction
    of a caller nothing is repeated: the caller has to repeat all of it.
    """

    @wraps(function)
    def repeat(*args: P.args, **kwargs: P.kwargs) -> T:
        for attempt in range(1, ATTEMPTS):
            try:
                return function(*args, **kwargs)
            except Error as error:
                if outcome(error) is not Outcome.CONFLICT or _is_in_transaction():
                    raise
            renew()
            # By chance: those that were in each other's way are not so again.
            time.sleep(random.uniform(0, PAUSE * 2**attempt))  # noqa: S311 - no secret
        return function(*args, **kwargs)

    return repeat


def renew() -> None:
    """Close the connections of this thread that broke; the next query opens others.

    Not ``close_old_connections``: with ``CONN_MAX_AGE=0`` that would reconnect on every call, and
    the broker's threads are few and long-lived, so that each may keep its connection.
    """
    for connection in connections.all(initialized_only=True):
        if connection.errors_occurred:
            connection.close_if_unusable_or_obsolete()


def throw_away() -> None:
    """Close the connections of this thread, whether they work or not.

    A session may be read-only, or have lost its rights, for as long as it lasts; Django does not
    remember which of the connections had an error. They are not given back to their pool, and the
    pool renews the others.
    """
    for connection in connections.all(initialized_only=True):
        if not connection.in_atomic_block:
            pool = _pool_of(connection)
            with suppress(Error):
                if pool is not None and connection.connection is not None:
                    connection.connection.close()  # the pool takes no closed connections
                connection.close()
            if pool is not None:
                _renew_pool(pool)


def give_back_if_wanted() -> None:
    """Give the connections of this thread back to a pool for which somebody waits."""
    now = time.monotonic()
    if now - getattr(_looked, "at", 0.0) >= LOOK_STEP:  # to look takes longer than small work does
        _looked.at = now
        for connection, pool in _pooled():
            if pool.get_stats().get("requests_waiting"):
                _close(connection)


def give_back() -> None:
    """Give the connections of this thread back to their pools."""
    for connection, _ in _pooled():
        _close(connection)


def has_pooled() -> bool:
    """Tell whether this thread has a connection that belongs to a pool."""
    return next(_pooled(), None) is not None


def describe(error: BaseException) -> str:
    """Return the cause of an error, for one line of the log."""
    cause = error.__cause__ or error
    state = getattr(cause, "sqlstate", None) or getattr(cause, "sqlite_errorname", None)
    text = " ".join(str(cause).split())[:MAX_CAUSE]
    told = f"{type(cause).__name__}{f' {state}' if state else ''}: {text}"
    return "; ".join([told, *_pools_in_trouble()])


def _is_in_transaction() -> bool:
    return any(each.in_atomic_block for each in connections.all(initialized_only=True))


def _pooled() -> Iterator[tuple[Any, Any]]:
    """Yield the connections of this thread that belong to pools, each with its pool."""
    for connection in connections.all(initialized_only=True):
        is_open = connection.connection is not None and not connection.in_atomic_block
        if is_open and (pool := _pool_of(connection)) is not None:
            yield connection, pool


def _close(connection: Any) -> None:
    with suppress(Error):
        connection.close()


def _pool_of(connection: Any) -> Any:
    """Return the pool of psycopg that a connection belongs to, or ``None``."""
    return getattr(connection, "pool", None)  # only PostgreSQL's have the attribute


def _renew_pool(pool: Any) -> None:
    # Each connection of it may be as unusable, and would fail once more. It happens in threads of
    # the pool's own, and not for each call that fails.
    now = time.monotonic()
    if now - _renewed.get(pool, -RENEWAL_STEP) >= RENEWAL_STEP:
        _renewed[pool] = now
        pool.drain()


def _pools_in_trouble() -> Iterator[str]:
    for connection in connections.all(initialized_only=True):
        if (pool := _pool_of(connection)) is None:
            continue
        stats = pool.get_stats()
        if stats.get("requests_waiting") or stats.get("connections_errors"):
            yield (
                f"the pool of {connection.alias!r} has {stats.get('pool_size', 0)} of at most "
                f"{stats.get('pool_max', 0)} connections, {stats.get('pool_available', 0)} of "
                f"them idle, {stats.get('requests_waiting', 0)} wait for one, and "
                f"{stats.get('connections_errors', 0)} could not be opened so far (the logger "
                "psycopg.pool says why)"
            )
