"""How database work runs while the tests of a host project run.

The threads of :mod:`dasf_broker.database` have connections of their own. They would not see the
rows that a ``TestCase`` wrote in its transaction, and would keep Django from removing the test
database at the end. So, under Django's test runner or pytest-django:

- As long as the transaction of a test is open, the work of a thread runs on the test's connection.
- Otherwise a thread does the work, and closes its connection afterwards. One thread works at a time
  if the database is SQLite in memory, which answers a second one with "locked" and does not wait.
- There is no housekeeping, because the tests of a host do not expect it.

In production this costs one check whether tests run.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable
from typing import TypeVar

from asgiref.sync import sync_to_async
from django.db import connections

T = TypeVar("T")

#: Seconds to wait for another thread that works with a database in memory. A thread that waits
#: for this one in its turn (a receiver of a signal may) must not be waited for forever.
PATIENCE = 2.0

_in_memory = threading.RLock()

#: Work that waits for the thread of a test.
_tasks: set[asyncio.Task[None]] = set()


def are_running() -> bool:
    """Tell whether a test runner has set up Django's test environment."""
    utils = sys.modules.get("django.test.utils")
    return hasattr(getattr(utils, "_TestState", None), "saved_data")


def run(work: Callable[[], None], otherwise: Callable[[], None]) -> None:
    """Do work in the open transaction of a test; call ``otherwise`` if there is none.

    A test is a caller of the running event loop, which may be in its thread or in another one.
    """
    if _without_loop(_is_in_transaction):
        _without_loop(work)
    else:
        task = asyncio.create_task(_run_in_djangos_thread(work, otherwise))
        _tasks.add(task)
        task.add_done_callback(_tasks.discard)


def call(function: Callable[[], T]) -> T:
    """Call a function that works with the database, in a thread of the broker or of a test."""
    is_locked = _is_in_memory() and _in_memory.acquire(timeout=PATIENCE)
    try:
        return function()
    finally:
        _close_connections()
        if is_locked:
            _in_memory.release()


def _is_in_memory() -> bool:
    # Only the connections of SQLite have the second method.
    return any(
        connection.vendor == "sqlite" and connection.is_in_memory_db()  # type: ignore[attr-defined]
        for connection in connections.all()
    )


def _close_connections() -> None:
    """Close the connections of this thread, unless they belong to a test."""
    for connection in connections.all(initialized_only=True):
        if not connection.in_atomic_block:
            connection.close()


async def _run_in_djangos_thread(work: Callable[[], None], otherwise: Callable[[], None]) -> None:
    def run_if_in_transaction() -> bool:
        if is_here := _is_in_transaction():
            work()
        return is_here

    if not await sync_to_async(run_if_in_transaction)():
        otherwise()


def _is_in_transaction() -> bool:
    opened = connections.all(initialized_only=True)
    return any(connection.in_atomic_block for connection in opened)


def _without_loop(function: Callable[[], object]) -> object:
    """Call a function as if no event loop ran in this thread; otherwise Django would refuse it."""
    loop = asyncio.get_running_loop()
    asyncio._set_running_loop(None)
    try:
        return function()
    finally:
        asyncio._set_running_loop(loop)
