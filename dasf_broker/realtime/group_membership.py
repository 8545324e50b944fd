"""A hub's membership in the groups of the channel layer: joined, renewed, probed, left."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Collection, Mapping
from contextlib import suppress
from secrets import token_hex
from typing import Any

from dasf_broker.concurrency.outage_log import OutageLog
from dasf_broker.realtime.sender import SEND_TIMEOUT, group_name
from dasf_broker.realtime.topic_subscribers import TopicSubscribers

logger = logging.getLogger(__name__)

#: Seconds between renewals of a group membership (``group_expiry`` is a day by default).
RENEWAL = 60.0

#: Seconds that a probe may take to return. A false alarm costs little: groups are joined again.
PROBE_TIMEOUT = 1.0


class GroupMembership:
    """The groups that a hub belongs to, one for each of its topics.

    Whatever fails here is tried again later, and never keeps the hub from reading the database.

    Parameters
    ----------
    layer
        A channel layer.
    channel
        The channel that the hub reads.
    topics
        The topics of the hub, which have local subscribers; the hub adds and removes them.
    """

    def __init__(self, layer: Any, channel: str, topics: Mapping[int, TopicSubscribers]) -> None:
        self.channel = channel
        self._layer = layer
        self._topics = topics
        self._probe = _Probe(layer, channel)
        self._renewing: asyncio.Task[None] | None = None
        self._probing: asyncio.Task[None] | None = None
        self._outage = OutageLog(logger, "Joining or leaving groups of the channel layer")

    async def join(self, topic: TopicSubscribers) -> None:
        """Join a topic's group, under its lock."""
        topic.renewed_at = None
        try:
            async with asyncio.timeout(SEND_TIMEOUT):
                await self._layer.group_add(group_name(topic.topic_id), self.channel)
        except Exception:  # noqa: BLE001 - the next poll tries again
            self._outage.failed()
        else:
            self._outage.recovered()
            topic.renewed_at = time.monotonic()

    async def leave(self, topic: TopicSubscribers) -> None:
        """Leave a topic's group, under its lock."""
        try:
            async with asyncio.timeout(SEND_TIMEOUT):
                await self._layer.group_discard(group_name(topic.topic_id), self.channel)
        except Exception:  # noqa: BLE001 - a membership ends by itself some time
            self._outage.failed()

    async def close(self) -> None:
        """Stop the background tasks."""
        tasks = [task for task in (self._renewing, self._probing) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        with suppress(Exception):  # its membership ends by itself some time
            async with asyncio.timeout(SEND_TIMEOUT):
                await self._probe.leave()

    # --- coming back --------------------------------------------------------------------------

    def is_due(self, topic: TopicSubscribers) -> bool:
        """Tell whether a topic's group is to be joined again."""
        return topic.renewed_at is None or time.monotonic() - topic.renewed_at > RENEWAL

    def renew(self, topics: Collection[TopicSubscribers]) -> None:
        """Join the groups of these topics again, in the background."""
        if topics and (self._renewing is None or self._renewing.done()):
            self._renewing = asyncio.create_task(self._join_again(topics), name="dasf-hub-renew")

    def renew_all(self) -> None:
        """Join all groups again: the channel layer may have forgotten them."""
        topics = list(self._topics.values())
        for topic in topics:
            topic.renewed_at = None
        self.renew(topics)

    async def _join_again(self, topics: Collection[TopicSubscribers]) -> None:
        await asyncio.gather(*(self._join_if_open(topic) for topic in topics))

    async def _join_if_open(self, topic: TopicSubscribers) -> None:
        async with topic.lock:
            if self._topics.get(topic.topic_id) is topic:  # else its last subscriber has left
                await self.join(topic)

    # --- the probe ----------------------------------------------------------------------------

    def receive(self, announcement: Any) -> bool:
        """Tell whether an announcement is our own probe."""
        return self._probe.receive(announcement)

    def probe_soon(self) -> None:
        """Do as :meth:`probe`, in the background."""
        if self._probing is None or self._probing.done():
            self._probing = asyncio.create_task(self.probe(), name="dasf-hub-probe")

    async def probe(self) -> None:
        """Find out whether the channel layer still has our membership; join again if not."""
        try:
            async with asyncio.timeout(SEND_TIMEOUT):
                is_received = await self._probe.send()
        except Exception:  # noqa: BLE001 - the next one tries again
            self._outage.failed()
            is_received = False
        if not is_received:
            self.renew_all()


class _Probe:
    """An announcement of a hub to itself, to find out whether announcements arrive.

    A channel layer can lose its members without an error: Redis was flushed, or restarted empty.
    The hub finds stored messages in the database; for other messages there is no other sign.

    Parameters
    ----------
    layer
        The channel layer.
    channel
        The channel that the hub reads.
    """

    def __init__(self, layer: Any, channel: str) -> None:
        self._layer = layer
        self._channel = channel
        self._group = f"dasf_broker.probe.{token_hex(16)}"
        self._is_member = False
        self._received = asyncio.Event()

    def receive(self, announcement: Any) -> bool:
        """Tell whether this is our own probe, and record that it arrived."""
        is_ours = bool(announcement.get("probe") == self._group)
        if is_ours:
            self._received.set()
        return is_ours

    async def send(self) -> bool:
        """Send it; return whether it arrived in time."""
        self._received.clear()
        is_member, self._is_member = self._is_member, False
        if not is_member:
            await self._layer.group_add(self._group, self._channel)
        probe = {"type": "dasf.events", "events": [], "probe": self._group}
        await self._layer.group_send(self._group, probe)
        with suppress(TimeoutError):
            async with asyncio.timeout(PROBE_TIMEOUT):
                await self._received.wait()
                self._is_member = True
        return self._is_member

    async def leave(self) -> None:
        """Leave its group."""
        if self._is_member:
            self._is_member = False
            await self._layer.group_discard(self._group, self._channel)
