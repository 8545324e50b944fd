"""The bridge from the event loop to the database: a few threads of our own.

Django's ``sync_to_async`` runs everything on one thread, where a slow query freezes every
socket. Here readers share a small pool, and all writes of the process go through one thread,
because that is what group commit wants and what SQLite can do.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

from django.db import InterfaceError, OperationalError, connections

from dasf_broker import app_settings
from dasf_broker.exceptions import UnavailableError

P = ParamSpec("P")
T = TypeVar("T")


class _Threads:
    """The executors of this process, made on first use."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._executors: dict[str, ThreadPoolExecutor] = {}

    def get(self, name: str, size: int) -> ThreadPoolExecutor:
        with self._lock:
            if name not in self._executors:
                self._executors[name] = ThreadPoolExecutor(size, thread_name_prefix=name)
            return self._executors[name]

    def close(self) -> None:
        with self._lock:
            executors, self._executors = self._executors, {}
        for executor in executors.values():
            _close_connections(executor)
            executor.shutdown()


_threads = _Threads()


async def read(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run a function that reads the database, in one of the reading threads.

    Raises
    ------
    UnavailableError
        The database does not answer, or is locked.
    """
    executor = _threads.get("dasf-read", app_settings.DASF_DATABASE_THREADS)
    return await _run(executor, partial(function, *args, **kwargs))


async def write(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run a function that writes to the database, in the one writing thread.

    Raises
    ------
    UnavailableError
        The database does not answer, is locked, or is full.
    """
    return await _run(_threads.get("dasf-write", 1), partial(function, *args, **kwargs))


def close() -> None:
    """End the threads and close their connections; they come back on the next use."""
    _threads.close()


async def _run(executor: ThreadPoolExecutor, call: Callable[[], T]) -> T:
    return await asyncio.get_running_loop().run_in_executor(executor, _guarded, call)


def _guarded(call: Callable[[], T]) -> T:
    _drop_broken_connections()
    try:
        return call()
    except (OperationalError, InterfaceError) as error:
        raise UnavailableError(
            "The broker's database does not answer now. Nothing was changed; try again."
        ) from error


def _drop_broken_connections() -> None:
    # Not `close_old_connections`: with CONN_MAX_AGE=0 it would reconnect on every call, and
    # these threads are few and long-lived, so that each may keep its connection.
    for connection in connections.all(initialized_only=True):
        if connection.errors_occurred:
            connection.close_if_unusable_or_obsolete()


def _close_connections(executor: ThreadPoolExecutor) -> None:
    # One call a thread: the barrier keeps a quick thread from taking two of them.
    size = len(executor._threads)
    barrier = threading.Barrier(size) if size else None

    def close_mine() -> None:
        connections.close_all()
        if barrier is not None:
            barrier.wait(timeout=10)

    for future in [executor.submit(close_mine) for _ in range(size)]:
        future.result(timeout=10)
