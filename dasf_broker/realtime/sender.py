"""Sends announcements through the channel layer. The only caller of ``group_send``."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias, TypedDict

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


class Announcement(TypedDict):
    """A message of the channel layer between servers: events of one topic, in order."""

    type: str
    events: list[WireEvent]


#: The topic of an announcement, and the announcement.
Prepared: TypeAlias = tuple[int, Announcement]


def group_name(topic_id: int) -> str:
    """Return the group name of a topic: from its primary key, because slugs may be too long."""
    return f"dasf_broker.topic.{topic_id}"


class Sender:
    """Sends announcements in one order, and numbers the events that are not stored."""

    def __init__(self) -> None:
        self._serials = SerialNumbers()
        self._outage = OutageLog(logger, "Announcing through the channel layer")

    async def send(self, layer: Any, events: Sequence[Event]) -> None:
        """Send events; a layer that fails is logged."""
        for prepared in self.prepare(events):
            await self.send_prepared(layer, prepared)

    def prepare(self, events: Sequence[Event]) -> list[Prepared]:
        """Return the announcements of events, in order. They have their numbers from now on."""
        return [
            (topic_id, {"type": "dasf.events", "events": [self._wire(event) for event in batch]})
            for topic_id, batch in batches(events)
        ]

    async def send_prepared(self, layer: Any, prepared: Prepared) -> None:
        """Send an announcement; a layer that fails is logged."""
        topic_id, announcement = prepared
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


def batches(events: Sequence[Event]) -> Iterator[tuple[int, list[Event]]]:
    """Combine events of one topic, as long as they stay under the size limit."""
    by_topic: dict[int, list[Event]] = {}
    for event in events:
        by_topic.setdefault(event.topic_id, []).append(without_large_content(event))
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


def without_large_content(event: Event) -> Event:
    """Leave out content that is too large, if it can be read from the database."""
    if weight(event) <= INLINE_LIMIT:
        return event
    if isinstance(event, MessagePublished) and event.sequence is not None:
        return MessageStored(topic_id=event.topic_id, sequence=event.sequence, epoch=event.epoch)
    return event  # it is stored nowhere: this is its only way
