"""Ring the bell for oneself, to learn whether one would hear it.

A channel layer can forget who listens without an error: Redis was flushed, or came back empty.
Stored messages are found by looking; for what is not stored there is no other sign.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from secrets import token_hex
from typing import Any

#: Seconds that a ring may take to come back. A false alarm costs little: groups are joined again.
PATIENCE = 1.0


class Probe:
    """One hub's ring for itself.

    Parameters
    ----------
    layer
        The channel layer.
    channel
        Where the hub listens.
    """

    def __init__(self, layer: Any, channel: str) -> None:
        self._layer = layer
        self._channel = channel
        self._group = f"dasf_broker.probe.{token_hex(16)}"
        self._is_member = False
        self._heard = asyncio.Event()

    def hear(self, announcement: Any) -> bool:
        """Tell whether this is our own ring, and note that it came."""
        is_ours = bool(announcement.get("probe") == self._group)
        if is_ours:
            self._heard.set()
        return is_ours

    async def ring(self) -> bool:
        """Ring; return whether it was heard before long."""
        self._heard.clear()
        is_member, self._is_member = self._is_member, False
        if not is_member:
            await self._layer.group_add(self._group, self._channel)
        probe = {"type": "dasf.events", "events": [], "probe": self._group}
        await self._layer.group_send(self._group, probe)
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                await self._heard.wait()
                self._is_member = True
        return self._is_member

    async def leave(self) -> None:
        """Listen for it no longer."""
        if self._is_member:
            self._is_member = False
            await self._layer.group_discard(self._group, self._channel)
