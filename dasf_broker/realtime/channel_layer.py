"""The bell: tells the hubs of all processes what happened. The only caller of ``group_send``.

An announcement may be lost, doubled or late; nothing stored depends on it. That is why a
failing channel layer never fails a publish: it is logged, and the hubs find the rows by looking.
"""

from __future__ import annotations

import asyncio
import logging
import weakref
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, TypedDict

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.db import transaction

from dasf_broker.domain.events import (
    Event,
    MessagePublished,
    MessageStored,
    WireEvent,
    to_wire,
)

logger = logging.getLogger(__name__)

#: Announcements up to this size carry the message itself, in bytes.
INLINE_LIMIT = 64 * 1024

#: Seconds that one announcement may take before it is given up.
SEND_TIMEOUT = 5.0

#: Announcements that may wait for a slow channel layer before new ones are not made.
SEND_QUEUE = 10_000


class Announcement(TypedDict):
    """What goes through the channel layer, server to server: events of one topic, in order."""

    type: str
    events: list[WireEvent]


def group_name(topic_id: int) -> str:
    """Return the group of a topic: from its primary key, because slugs may be too long."""
    return f"dasf_broker.topic.{topic_id}"


def announce_on_commit(events: Sequence[Event]) -> None:
    """Announce events when the transaction that made them true is committed."""
    transaction.on_commit(partial(announce, events), robust=True)


def announce(events: Sequence[Event]) -> None:
    """Announce events now, in order. Returns at once where a server runs in this process."""
    if (layer := get_channel_layer()) is None or not events:
        return
    announcer = _home.announcer()
    if announcer is not None:
        announcer.hand_over(events)
    else:
        async_to_sync(_send_all)(layer, events)


def at_home() -> None:
    """Make the running event loop the one that announces for all threads of this process."""
    _home.settle(asyncio.get_running_loop())


class _Announcer:
    """Sends, one after the other, what the threads of the process hand over."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: list[Event] = []
        self._task: asyncio.Task[None] | None = None

    def hand_over(self, events: Sequence[Event]) -> None:
        self._loop.call_soon_threadsafe(self._accept, events)

    def _accept(self, events: Sequence[Event]) -> None:
        if len(self._waiting) + len(events) > SEND_QUEUE:
            logger.warning("The channel layer is too slow; %d events not announced.", len(events))
            return
        self._waiting.extend(events)
        if self._task is None or self._task.done():
            self._task = self._loop.create_task(self._drain())

    async def _drain(self) -> None:
        while self._waiting:
            events, self._waiting = self._waiting, []
            await _send_all(get_channel_layer(), events)


class _Home:
    """Remembers the server's event loop without keeping it alive."""

    def __init__(self) -> None:
        self._loop: weakref.ref[asyncio.AbstractEventLoop] | None = None
        self._announcer: _Announcer | None = None

    def settle(self, loop: asyncio.AbstractEventLoop) -> None:
        # A loop that still runs stays home: a short one beside it must not take its place.
        if self.announcer() is None:
            self._loop = weakref.ref(loop)
            self._announcer = _Announcer(loop)

    def announcer(self) -> _Announcer | None:
        loop = self._loop() if self._loop is not None else None
        return self._announcer if loop is not None and loop.is_running() else None


_home = _Home()


async def _send_all(layer: Any, events: Sequence[Event]) -> None:
    for topic_id, batch in _batches(events):
        announcement: Announcement = {"type": "dasf.events", "events": batch}
        try:
            async with asyncio.timeout(SEND_TIMEOUT):
                await layer.group_send(group_name(topic_id), announcement)
        except Exception:
            logger.warning("Announcing to topic %s failed.", topic_id, exc_info=True)


def _batches(events: Sequence[Event]) -> Iterator[tuple[int, list[WireEvent]]]:
    """Put events of one topic together, as long as they stay under the limit."""
    by_topic: dict[int, list[Event]] = {}
    for event in events:
        by_topic.setdefault(event.topic_id, []).append(event)
    for topic_id, own in by_topic.items():
        batch: list[WireEvent] = []
        total = 0
        for event in own:
            size = _size(event)
            if batch and total + size > INLINE_LIMIT:
                yield topic_id, batch
                batch, total = [], 0
            batch.append(to_wire(_without_content(event) if size > INLINE_LIMIT else event))
            total += size
        yield topic_id, batch


def _size(event: Event) -> int:
    if not isinstance(event, MessagePublished):
        return 0
    return len(event.content["payload"]) + len(str(event.content["properties"]))


def _without_content(event: Event) -> Event:
    if isinstance(event, MessagePublished) and event.sequence is not None:
        return MessageStored(topic_id=event.topic_id, sequence=event.sequence)
    return event  # it is stored nowhere: this is its only way
