"""Announcements: send events to the hubs of all processes. The only caller of ``group_send``.

An announcement may be lost, doubled or late; no stored message depends on it. So a failing channel
layer never fails a publish: it is logged, and the hubs find the rows in the database.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import weakref
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from typing import Any, TypedDict

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer

from dasf_broker import primary
from dasf_broker.concurrency.outage_log import OutageLog
from dasf_broker.domain.events import (
    Event,
    MessagePublished,
    MessageStored,
    WireEvent,
    is_lost_if_not_announced,
    to_wire,
    weight,
)
from dasf_broker.realtime.loss_count import SerialNumbers

logger = logging.getLogger(__name__)

#: Announcements up to this size carry the message itself, in bytes.
INLINE_LIMIT = 64 * 1024

#: Seconds that one announcement may take before it is given up.
SEND_TIMEOUT = 5.0

#: Events, and their bytes, that may wait for a slow channel layer before new ones are not
#: announced.
SEND_QUEUE = 10_000
SEND_BYTES = 32 * 1024 * 1024


class Announcement(TypedDict):
    """A message of the channel layer between servers: events of one topic, in order."""

    type: str
    events: list[WireEvent]


def group_name(topic_id: int) -> str:
    """Return the group name of a topic: from its primary key, because slugs may be too long."""
    return f"dasf_broker.topic.{topic_id}"


def announce_on_commit(events: Sequence[Event]) -> None:
    """Announce events when the current transaction is committed."""
    primary.on_commit(partial(announce, events))


def announce(events: Sequence[Event]) -> None:
    """Announce events now, in order. Returns at once if a server runs in this process."""
    if (layer := get_channel_layer()) is None or not events:
        return
    announcer = _process.announcer()
    if announcer is not None:
        announcer.hand_over(events)
    else:
        async_to_sync(_threads.sender.send)(layer, events)


def announce_from_running_loop() -> None:
    """Make the running event loop announce for all threads of this process.

    Use it only in a loop that runs on: announcements that wait when a loop ends are lost.
    """
    _process.announce_from(asyncio.get_running_loop())


async def flush(seconds: float | None = None) -> None:
    """Wait until all events that this process has handed over so far are announced.

    Parameters
    ----------
    seconds
        Wait no longer than this: a channel layer that hangs fails no caller.
    """
    if (announcer := _process.announcer()) is not None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await asyncio.wrap_future(announcer.flushed())


class _Sender:
    """Sends announcements in one order, and numbers the events that are not stored."""

    def __init__(self) -> None:
        self._serials = SerialNumbers()
        self._outage = OutageLog(logger, "Announcing through the channel layer")

    async def send(self, layer: Any, events: Sequence[Event]) -> None:
        for topic_id, batch in _batches(events):
            wires = [self._wire(event) for event in batch]
            announcement: Announcement = {"type": "dasf.events", "events": wires}
            try:
                async with asyncio.timeout(SEND_TIMEOUT):
                    await layer.group_send(group_name(topic_id), announcement)
            except Exception:  # noqa: BLE001 - a failing channel layer never fails a publish
                self._outage.failed()
            else:
                self._outage.recovered()

    def skip(self, events: Sequence[Event]) -> None:
        """Count events as lost that are not sent."""
        for event in events:
            self._wire(event)

    def _wire(self, event: Event) -> WireEvent:
        wire = to_wire(event)
        if is_lost_if_not_announced(event):
            wire["serial"] = self._serials.next(event.topic_id)
        return wire


class _Announcer:
    """Sends, one after the other, what the threads of the process hand over to one event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        # Weakly: this must not keep a loop that has ended.
        self._loop = weakref.ref(loop)
        self._sender = _Sender()
        self._overrun = OutageLog(logger, "The channel layer is too slow: announcing some messages")
        self._waiting: list[Event] = []
        self._weight = 0
        self._task: asyncio.Task[None] | None = None
        #: Futures of callers of ``flush``: for the batch being sent, and for the one that waits.
        self._flushing: set[Future[None]] = set()
        self._flushing_next: set[Future[None]] = set()

    @property
    def is_running(self) -> bool:
        loop = self._loop()
        return loop is not None and loop.is_running()

    def hand_over(self, events: Sequence[Event]) -> None:
        if (loop := self._loop()) is not None:
            loop.call_soon_threadsafe(
                self._accept, [_without_large_content(each) for each in events]
            )

    def flushed(self) -> Future[None]:
        """Return a future, for any thread, that is done when all waiting events are sent."""
        future: Future[None] = Future()
        if (loop := self._loop()) is not None:
            loop.call_soon_threadsafe(self._flush, future)
        return future

    def _flush(self, future: Future[None]) -> None:
        (self._flushing_next if self._waiting else self._flushing).add(future)
        # Beside a channel layer that hangs, the futures of callers that gave up would add up.
        future.add_done_callback(self._forget_cancelled)
        if self._task is None:
            _finish(self._flushing)

    def _forget_cancelled(self, future: Future[None]) -> None:
        if future.cancelled() and (loop := self._loop()) is not None and loop.is_running():
            loop.call_soon_threadsafe(self._flushing.discard, future)
            loop.call_soon_threadsafe(self._flushing_next.discard, future)

    def _accept(self, events: Sequence[Event]) -> None:
        heavier = self._weight + sum(map(weight, events))
        if len(self._waiting) + len(events) > SEND_QUEUE or heavier > SEND_BYTES:
            self._overrun.failed()
            self._sender.skip(events)
            return
        self._waiting.extend(events)
        self._weight = heavier
        if self._task is None:
            self._task = asyncio.create_task(self._drain(), name="dasf-announce")

    async def _drain(self) -> None:
        try:
            while self._waiting:
                events, self._waiting, self._weight = self._waiting, [], 0
                self._flushing, self._flushing_next = self._flushing_next, set()
                await self._sender.send(get_channel_layer(), events)
                _finish(self._flushing)
            self._overrun.recovered()
        finally:
            self._task = None  # it refers to its loop
            _finish(self._flushing)
            _finish(self._flushing_next)


class _Process:
    """Which event loop announces for all threads of this process."""

    def __init__(self) -> None:
        self._announcer: _Announcer | None = None

    def announce_from(self, loop: asyncio.AbstractEventLoop) -> None:
        # A loop that still runs keeps its task: a short one beside it must not replace it.
        if self.announcer() is None:
            self._announcer = _Announcer(loop)

    def announcer(self) -> _Announcer | None:
        found = self._announcer
        return found if found is not None and found.is_running else None


class _Threads(threading.local):
    """Sends from the threads of a process without a server, each in its own order."""

    def __init__(self) -> None:
        self.sender = _Sender()


_process = _Process()
_threads = _Threads()


def _finish(futures: set[Future[None]]) -> None:
    while futures:
        future = futures.pop()
        if future.set_running_or_notify_cancel():
            future.set_result(None)


def _batches(events: Sequence[Event]) -> Iterator[tuple[int, list[Event]]]:
    """Combine events of one topic, as long as they stay under the size limit."""
    by_topic: dict[int, list[Event]] = {}
    for event in events:
        by_topic.setdefault(event.topic_id, []).append(_without_large_content(event))
    for topic_id, own in by_topic.items():
        batch: list[Event] = []
        total = 0
        for event in own:
            size = weight(event)
            if batch and total + size > INLINE_LIMIT:
                yield topic_id, batch
                batch, total = [], 0
            batch.append(event)
            total += size
        yield topic_id, batch


def _without_large_content(event: Event) -> Event:
    """Leave out content that is too large, if it can be read from the database."""
    if weight(event) <= INLINE_LIMIT:
        return event
    if isinstance(event, MessagePublished) and event.sequence is not None:
        return MessageStored(topic_id=event.topic_id, sequence=event.sequence, epoch=event.epoch)
    return event  # it is stored nowhere: this is its only way
