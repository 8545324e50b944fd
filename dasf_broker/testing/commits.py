"""Announce messages for a test that never commits."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any
from weakref import WeakSet

from django.db import connections

from dasf_broker import test_mode
from dasf_broker.realtime.announcer import announce

_announced: WeakSet[partial[Any]] = WeakSet()


async def announce_pending() -> None:
    """Announce the events that wait for the commit of the test's transaction, which never comes."""
    done = asyncio.Event()
    loop = asyncio.get_running_loop()

    def work() -> None:
        _announce_pending()
        loop.call_soon_threadsafe(done.set)

    test_mode.run(work, otherwise=done.set)
    await done.wait()


def _announce_pending() -> None:
    for connection in connections.all(initialized_only=True):
        for entry in connection.run_on_commit:
            function: Any = entry[1]
            is_ours = isinstance(function, partial) and function.func is announce
            if is_ours and function not in _announced:
                _announced.add(function)
                function()
