"""Messages that are stored nowhere: delivered at most once, and their loss is counted."""

from __future__ import annotations

from typing import Any

import pytest

from dasf_broker.domain.envelope import MessageType
from dasf_broker.domain.events import MessagePublished, TopicPonged, to_wire
from dasf_broker.realtime import announcer, loop_announcer
from dasf_broker.realtime.announcer import announce, announce_from_running_loop, flush
from dasf_broker.realtime.hub import Hub
from dasf_broker.realtime.mailbox import Mailbox
from tests.realtime.conftest import FakeLayer, message

MESSAGES = {MessagePublished}


class LossyLayer(FakeLayer):
    """A channel layer that lets through what the test says."""

    def __init__(self) -> None:
        super().__init__()
        self.times = 1

    async def group_send(self, _group: str, announcement: dict[str, Any]) -> None:
        """Deliver so many times."""
        for _ in range(self.times):
            self._arrived.put_nowait(announcement)


@pytest.fixture
async def layer(monkeypatch: pytest.MonkeyPatch) -> LossyLayer:
    """Return the channel layer of the hub and of who announces."""
    layer = LossyLayer()
    monkeypatch.setattr(announcer, "get_channel_layer", lambda: layer)
    monkeypatch.setattr(announcer, "_process", announcer._Process())
    announce_from_running_loop()
    return layer


async def test_dropped_announcements_are_counted(hub: Hub, layer: LossyLayer) -> None:
    """The next message that comes through tells how many did not."""
    async with hub.subscription(1, MESSAGES) as (mailbox, _):
        await _announce(layer, 2)
        await _announce(layer, 3, times=0)
        await _announce(layer, 1)
        assert await _taken(mailbox) == [0, 0, 3]


async def test_doubled_announcements_are_delivered_once(hub: Hub, layer: LossyLayer) -> None:
    """At most once."""
    async with hub.subscription(1, MESSAGES) as (mailbox, _):
        await _announce(layer, 3, times=2)
        assert await _taken(mailbox) == [0, 0, 0]


async def test_overrun_announcer_is_counted(
    hub: Hub, layer: LossyLayer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is not announced, because too much waits already, is lost like what is dropped."""
    monkeypatch.setattr(loop_announcer, "SEND_QUEUE", 5)
    async with hub.subscription(1, MESSAGES) as (mailbox, _):
        await _announce(layer, 1)
        await _announce(layer, 6)
        await _announce(layer, 1)
        assert await _taken(mailbox) == [0, 6]


async def test_pings_are_not_counted(hub: Hub, layer: LossyLayer) -> None:
    """A ping that is lost is asked anew: nobody need know."""
    ping = message(None)
    object.__setattr__(ping, "message_type", MessageType.PING)
    async with hub.subscription(1, MESSAGES) as (mailbox, _):
        await _announce(layer, 1)
        layer.times = 0
        announce([ping] * 4)
        await flush()
        await _announce(layer, 1)
        assert await _taken(mailbox) == [0, 0]


async def test_others_are_not_told(hub: Hub, layer: LossyLayer) -> None:
    """Who listens for other events has missed nothing."""
    async with hub.subscription(1, {TopicPonged}) as (mailbox, _):
        await _announce(layer, 1)
        await _announce(layer, 1, times=0)
        await _announce(layer, 1)
        await layer.settled()
        assert mailbox.missed == 0


async def test_unnumbered_is_delivered(hub: Hub, layer: LossyLayer) -> None:
    """A server of an earlier version does not number: its messages arrive."""
    async with hub.subscription(1, MESSAGES) as (mailbox, _):
        layer.ring(message(None), message(None))
        await layer.settled()
        assert await _taken(mailbox) == [0, 0]


async def test_strange_announcements_cost_nothing_else(
    hub: Hub, layer: LossyLayer, caplog: pytest.LogCaptureFixture
) -> None:
    """What cannot be understood is logged; what comes after it is delivered."""
    async with hub.subscription(1, MESSAGES) as (mailbox, _):
        strange = {**to_wire(message(None)), "kind": "FromTheFuture"}
        layer._arrived.put_nowait({"type": "dasf.events", "events": [strange]})
        layer._arrived.put_nowait({"type": "dasf.events"})
        layer.ring(message(None))
        await layer.settled()
        assert await _taken(mailbox) == [0]
    assert "could not be understood" in caplog.text


async def _announce(layer: LossyLayer, count: int, *, times: int = 1) -> None:
    layer.times = times
    announce([message(None)] * count)
    await flush()
    await layer.settled()


async def _taken(mailbox: Mailbox) -> list[int]:
    """Take all that waits; return what was missed before each."""
    missed = []
    lost, mailbox.missed = mailbox.missed, 0
    for _ in range(len(mailbox)):
        await mailbox.get()
        missed.append(0)
    if missed:
        missed[-1] = lost
    return missed
