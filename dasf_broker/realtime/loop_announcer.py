"""Announcements that an event loop sends for all threads of its process."""

from __future__ import annotations

import asyncio
import logging
import threading
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import Any

from dasf_broker.concurrency.outage_log import OutageLog
from dasf_broker.domain.events import Event, weight
from dasf_broker.realtime.sender import Prepared, Sender, without_large_content

logger = logging.getLogger(__name__)

#: Events, and their bytes, that may wait for a slow channel layer before new ones are not
#: announced.
SEND_QUEUE = 10_000
SEND_BYTES = 32 * 1024 * 1024


class LoopAnnouncer:
    """Sends, one after the other, what the threads of the process hand over to one event loop.

    The loop may end at any time, also before it has noticed that something was handed over. What
    it leaves is sent by others: see :meth:`take_left`. An announcement that the loop may have sent
    already has its number, and nobody receives it twice.

    Parameters
    ----------
    loop
        The running event loop.
    layer
        Returns the channel layer.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, layer: Callable[[], Any]) -> None:
        # Weakly: this must not keep a loop that has ended.
        self._loop = weakref.ref(loop)
        self._layer = layer
        self.thread = threading.get_ident()
        self.sender = Sender()
        self._overrun = OutageLog(logger, "The channel layer is too slow: announcing some messages")
        self._is_ending = False
        self._task: asyncio.Task[None] | None = None
        #: Guards the rest.
        self._lock = threading.Lock()
        self._waiting: list[Event] = []
        self._weight = 0
        self._sending: deque[Prepared] = deque()
        #: Futures of callers of ``flush``: for what is being sent, and for what waits.
        self._flushing: set[Future[None]] = set()
        self._flushing_next: set[Future[None]] = set()

    @property
    def is_running(self) -> bool:
        """Whether the loop still sends."""
        loop = self._loop()
        return loop is not None and loop.is_running() and not self._is_ending

    def belongs_to(self, loop: asyncio.AbstractEventLoop) -> bool:
        """Tell whether this is its loop."""
        return self._loop() is loop

    def is_gone(self) -> bool:
        """Tell whether the loop has ended and left nothing."""
        loop = self._loop()
        return (loop is None or loop.is_closed()) and not self.has_left

    @property
    def has_left(self) -> bool:
        """Whether something is not sent yet."""
        return bool(self._waiting or self._sending)

    def hand_over(self, events: Sequence[Event]) -> None:
        """Have events sent, from any thread; they are in vain if too many wait already."""
        light = [without_large_content(each) for each in events]
        with self._lock:
            heavier = self._weight + sum(map(weight, light))
            if len(self._waiting) + len(light) > SEND_QUEUE or heavier > SEND_BYTES:
                self._overrun.failed()
                self.sender.skip(light)
                return
            self._waiting.extend(light)
            self._weight = heavier
        self._call_soon(self._begin)

    def flushed(self) -> Future[None]:
        """Return a future, for any thread, that is done when all waiting events are sent."""
        future: Future[None] = Future()
        with self._lock:
            if self.has_left:
                (self._flushing_next if self._waiting else self._flushing).add(future)
                # Beside a layer that hangs, the futures of callers that gave up would add up.
                future.add_done_callback(self._forget_cancelled)
                return future
        future.set_result(None)
        return future

    def take_left(self) -> list[Prepared]:
        """Return what a loop that has ended did not send, and forget it."""
        with self._lock:
            left = [*self._sending, *self.sender.prepare(self._waiting)]
            self._sending, self._waiting, self._weight = deque(), [], 0
        return left

    def finish(self) -> None:
        """Tell those who wait that nothing is left."""
        with self._lock:
            futures = self._flushing | self._flushing_next
            self._flushing, self._flushing_next = set(), set()
        _finish(futures)

    def _call_soon(self, callback: Callable[..., None], *arguments: Any) -> None:
        if (loop := self._loop()) is not None:
            with suppress(RuntimeError):  # it has ended
                loop.call_soon_threadsafe(callback, *arguments)

    def _forget_cancelled(self, future: Future[None]) -> None:
        if future.cancelled():  # perhaps under the lock, which `set_result` does not take
            self._call_soon(self._flushing.discard, future)
            self._call_soon(self._flushing_next.discard, future)

    def _begin(self) -> None:
        if self._task is None and not self._is_ending:
            self._task = asyncio.create_task(self._drain(), name="dasf-announce")

    async def _drain(self) -> None:
        try:
            while (prepared := self._next()) is not None:
                await self.sender.send_prepared(self._layer(), prepared)
                self._note_sent(prepared)
            self._overrun.recovered()
        except asyncio.CancelledError:
            self._is_ending = True  # with its loop: others send what is left
            raise
        finally:
            self._task = None  # it refers to its loop

    def _next(self) -> Prepared | None:
        with self._lock:
            if not self._sending and self._waiting:
                self._sending.extend(self.sender.prepare(self._waiting))
                self._waiting, self._weight = [], 0
                self._flushing, self._flushing_next = self._flushing_next, set()
            return self._sending[0] if self._sending else None

    def _note_sent(self, prepared: Prepared) -> None:
        with self._lock:
            if self._sending and self._sending[0] is prepared:
                self._sending.popleft()
            if self._sending:
                return
            futures, self._flushing = self._flushing, set()
        _finish(futures)


def _finish(futures: set[Future[None]]) -> None:
    while futures:
        future = futures.pop()
        if future.set_running_or_notify_cancel():
            future.set_result(None)
