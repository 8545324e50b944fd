"""A hub's membership in the groups of the channel layer: joined, renewed, put to the test, left."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Collection, Mapping
from contextlib import suppress
from typing import Any

from dasf_broker.concurrency.outage_log import Outage
from dasf_broker.realtime.announcer import SEND_TIMEOUT, group_name
from dasf_broker.realtime.probe import Probe
from dasf_broker.realtime.topic_subscribers import Room

logger = logging.getLogger(__name__)

#: Seconds between renewals of a group membership (``group_expiry`` is a day by default).
RENEWAL = 60.0


class Membership:
    """The groups that a hub belongs to, one for each of its rooms.

    Whatever fails here is tried again later, and never keeps the hub from looking.

    Parameters
    ----------
    layer
        A channel layer.
    channel
        Where the hub listens.
    rooms
        The hub's own, by topic: whose last subscriber has left is not there any more.
    """

    def __init__(self, layer: Any, channel: str, rooms: Mapping[int, Room]) -> None:
        self.channel = channel
        self._layer = layer
        self._rooms = rooms
        self._probe = Probe(layer, channel)
        self._renewing: asyncio.Task[None] | None = None
        self._probing: asyncio.Task[None] | None = None
        self._outage = Outage(logger, "Joining or leaving groups of the channel layer")

    async def join(self, room: Room) -> None:
        """Join a room's group, under its lock."""
        room.renewed_at = None
        try:
            async with asyncio.timeout(SEND_TIMEOUT):
                await self._layer.group_add(group_name(room.topic_id), self.channel)
        except Exception:  # noqa: BLE001 - the next look tries again
            self._outage.note()
        else:
            self._outage.over()
            room.renewed_at = time.monotonic()

    async def leave(self, room: Room) -> None:
        """Leave a room's group, under its lock."""
        try:
            async with asyncio.timeout(SEND_TIMEOUT):
                await self._layer.group_discard(group_name(room.topic_id), self.channel)
        except Exception:  # noqa: BLE001 - a membership ends by itself some time
            self._outage.note()

    async def close(self) -> None:
        """Stop what goes on in the background."""
        tasks = [task for task in (self._renewing, self._probing) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        with suppress(Exception):  # its membership ends by itself some time
            async with asyncio.timeout(SEND_TIMEOUT):
                await self._probe.leave()

    # --- coming back --------------------------------------------------------------------------

    def is_due(self, room: Room) -> bool:
        """Tell whether a room's group is to be joined again."""
        return room.renewed_at is None or time.monotonic() - room.renewed_at > RENEWAL

    def renew(self, rooms: Collection[Room]) -> None:
        """Join the groups of these rooms again, in the background."""
        if rooms and (self._renewing is None or self._renewing.done()):
            self._renewing = asyncio.create_task(self._join_again(rooms), name="dasf-hub-renew")

    def renew_all(self) -> None:
        """Join all groups again: the channel layer may have forgotten them."""
        rooms = list(self._rooms.values())
        for room in rooms:
            room.renewed_at = None
        self.renew(rooms)

    async def _join_again(self, rooms: Collection[Room]) -> None:
        await asyncio.gather(*(self._join_if_open(room) for room in rooms))

    async def _join_if_open(self, room: Room) -> None:
        async with room.lock:
            if self._rooms.get(room.topic_id) is room:  # else its last subscriber has left
                await self.join(room)

    # --- the probe ----------------------------------------------------------------------------

    def hear(self, announcement: Any) -> bool:
        """Tell whether an announcement is nothing but our own probe."""
        return self._probe.hear(announcement)

    def probe_soon(self) -> None:
        """Do as :meth:`probe`, in the background."""
        if self._probing is None or self._probing.done():
            self._probing = asyncio.create_task(self.probe(), name="dasf-hub-probe")

    async def probe(self) -> None:
        """Find out whether the channel layer still knows us, and join it anew if not."""
        try:
            async with asyncio.timeout(SEND_TIMEOUT):
                is_heard = await self._probe.ring()
        except Exception:  # noqa: BLE001 - the next one tries again
            self._outage.note()
            is_heard = False
        if not is_heard:
            self.renew_all()
