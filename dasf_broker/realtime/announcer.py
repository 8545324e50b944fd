"""Announcements: send events to the hubs of all processes.

An announcement may be lost, doubled or late; no stored message depends on it. So a failing channel
layer never fails a publish: it is logged, and the hubs find the rows in the database.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer

from dasf_broker import database, primary
from dasf_broker.domain.events import Event, is_lost_if_not_announced
from dasf_broker.realtime.loop_announcer import LoopAnnouncer
from dasf_broker.realtime.sender import Prepared, Sender

#: Seconds that the answer to a message that is not stored waits for its announcement.
ANNOUNCE_TIMEOUT = 1.0

#: Seconds between two looks whether another event loop has ended.
LOOK = 0.05


def announce_on_commit(events: Sequence[Event]) -> None:
    """Announce events when the current transaction is committed."""
    primary.on_commit(partial(announce, events))


def announce(events: Sequence[Event]) -> None:
    """Announce events now, in order.

    Returns at once if a server runs in this process, unless a message is among them that is not
    stored: it is announced when this returns. The writing thread waits for nothing; its callers
    call :func:`flush`.
    """
    if (layer := get_channel_layer()) is None or not events:
        return
    announcer = _process.announcer()
    if announcer is None:
        _process.finish_ended()
        async_to_sync(_threads.sender.send)(layer, events)
        return
    announcer.hand_over(events)
    if any(map(is_lost_if_not_announced, events)):
        _process.wait_until_announced(announcer)


def announce_from_running_loop() -> None:
    """Make the running event loop announce for all threads of this process, while it runs.

    If several loops do so, it is the first of them that still runs.
    """
    _process.announce_from(asyncio.get_running_loop())


async def flush(seconds: float | None = None) -> None:
    """Wait until all events that this process has handed over so far are announced.

    What an event loop left that has ended is announced here.

    Parameters
    ----------
    seconds
        Wait no longer than this: a channel layer that hangs fails no caller.
    """
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await _process.flushed()


class _Process:
    """Which event loop announces for all threads of this process."""

    def __init__(self) -> None:
        self._announcers: list[LoopAnnouncer] = []
        self._lock = threading.Lock()

    def announce_from(self, loop: asyncio.AbstractEventLoop) -> None:
        with self._lock:
            kept = [each for each in self._announcers if not each.is_gone()]
            if not any(each.belongs_to(loop) and each.is_running for each in kept):
                kept.append(LoopAnnouncer(loop, _layer))
            self._announcers = kept

    def announcer(self) -> LoopAnnouncer | None:
        # The first one: a short loop beside that of the server must not replace it.
        return next((each for each in self._announcers if each.is_running), None)

    async def flushed(self) -> None:
        loop = asyncio.get_running_loop()
        while (announcer := self.announcer()) is not None:
            future = asyncio.wrap_future(announcer.flushed())
            if announcer.belongs_to(loop):
                await future
            elif not (await asyncio.wait([future], timeout=LOOK))[0]:
                future.cancel()  # the other loop may have ended: look again
                continue
            break
        if self._ended():
            await asyncio.to_thread(self.finish_ended)

    def wait_until_announced(self, announcer: LoopAnnouncer) -> None:
        """Wait, in another thread than the announcer's, until it has sent what it has."""
        if database.waits_briefly() or announcer.thread == threading.get_ident():
            return
        until = time.monotonic() + ANNOUNCE_TIMEOUT
        future = announcer.flushed()
        while announcer.is_running and time.monotonic() < until:
            with suppress(TimeoutError):
                future.result(LOOK)
                return
        future.cancel()
        self.finish_ended()

    def finish_ended(self) -> None:
        """Send what loops have left that have ended. Call it in a thread without a loop."""
        if not self._ended():
            return
        with self._lock:  # who comes second waits until it is sent
            for announcer in self._ended():
                async_to_sync(_send_all)(announcer.sender, announcer.take_left())
                announcer.finish()

    def _ended(self) -> list[LoopAnnouncer]:
        return [each for each in self._announcers if each.has_left and not each.is_running]


class _Threads(threading.local):
    """Sends from the threads of a process without a server, each in its own order."""

    def __init__(self) -> None:
        self.sender = Sender()


_process = _Process()
_threads = _Threads()


def _begin_anew() -> None:
    # After a fork: the loops run in the other process, and the numbers go on there.
    global _process, _threads
    _process, _threads = _Process(), _Threads()


os.register_at_fork(after_in_child=_begin_anew)


def _layer() -> Any:
    return get_channel_layer()


async def _send_all(sender: Sender, left: Sequence[Prepared]) -> None:
    for prepared in left:
        await sender.send_prepared(get_channel_layer(), prepared)
