"""What is different while the tests of a host project run.

The threads of :mod:`dasf_broker.database` have connections of their own. They would not see what
a ``TestCase`` did in its transaction, and would keep Django from removing the test database at
the end. So, under Django's test runner or pytest-django:

- What a thread would do is done on the connection of the test, as long as its transaction is open.
- Otherwise a thread does it, and closes its connection afterwards.
- There is no housekeeping, which nobody asked for.

In production this is one look at whether tests run.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable

from asgiref.sync import sync_to_async
from django.db import connections

#: Work on its way to the thread of a test.
_tasks: set[asyncio.Task[None]] = set()


def are_running() -> bool:
    """Tell whether Django's test environment is set up, by whatever runner."""
    utils = sys.modules.get("django.test.utils")
    return hasattr(getattr(utils, "_TestState", None), "saved_data")


def run(work: Callable[[], None], otherwise: Callable[[], None]) -> None:
    """Do work in the open transaction of a test, or otherwise where there is none.

    A test is a caller of the running event loop, which may be in its thread or in another one.
    """
    if _without_loop(_is_in_transaction):
        _without_loop(work)
    else:
        task = asyncio.create_task(_run_in_djangos_thread(work, otherwise))
        _tasks.add(task)
        task.add_done_callback(_tasks.discard)


def close_connections() -> None:
    """Close the connections of this thread, unless they are a test's."""
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
    """Call a function as if no event loop ran in this thread: Django would refuse it otherwise."""
    loop = asyncio.get_running_loop()
    asyncio._set_running_loop(None)
    try:
        return function()
    finally:
        asyncio._set_running_loop(loop)
