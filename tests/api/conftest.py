"""What the tests of the Python door share: what is announced, by any loop and thread."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from dasf_broker.domain.events import Event, from_wire
from dasf_broker.realtime import announcer


class RecordingLayer:
    """A channel layer that only remembers what it was sent."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    async def group_send(self, _group: str, announcement: dict[str, Any]) -> None:
        """Remember an announcement, after some turns of the loop, as with a network."""
        for _ in range(20):
            await asyncio.sleep(0)
        self.events += [from_wire(each) for each in announcement["events"]]


@pytest.fixture
def announced(monkeypatch: pytest.MonkeyPatch) -> list[Event]:
    """Return what goes through the channel layer, which nobody hears."""
    layer = RecordingLayer()
    monkeypatch.setattr(announcer, "get_channel_layer", lambda: layer)
    return layer.events
