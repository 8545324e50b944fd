"""The bell: what is announced, to whom, and what happens when it cannot be."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from channels.layers import BaseChannelLayer
from django.db import transaction
from hypothesis import given
from hypothesis import strategies as st

from dasf_broker.domain.events import Event, MessagePublished, MessageStored, from_wire, weight
from dasf_broker.realtime import announcer, loop_announcer, sender
from dasf_broker.realtime.announcer import (
    announce,
    announce_from_running_loop,
    announce_on_commit,
    flush,
)
from dasf_broker.realtime.sender import INLINE_LIMIT, group_name
from tests.realtime.conftest import message, until


class RecordingLayer:
    """A channel layer that remembers what it was sent, or refuses it."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, list[Event]]] = []
        self.loops: list[asyncio.AbstractEventLoop] = []
        self.fails = False
        self.before_sending: Callable[[], Awaitable[object]] | None = None

    async def group_send(self, group: str, announcement: dict[str, Any]) -> None:
        """Remember an announcement."""
        self.loops.append(asyncio.get_running_loop())
        if self.before_sending is not None:
            await self.before_sending()
        if self.fails:
            raise OSError("no channel layer")
        self.sent.append((group, [from_wire(each) for each in announcement["events"]]))

    @property
    def events(self) -> list[Event]:
        """All that was sent, in order."""
        return [event for _, batch in self.sent for event in batch]


@pytest.fixture
def layer(monkeypatch: pytest.MonkeyPatch) -> RecordingLayer:
    """Return the channel layer that announcements go to, in a process without a server."""
    layer = RecordingLayer()
    monkeypatch.setattr(announcer, "get_channel_layer", lambda: layer)
    monkeypatch.setattr(announcer, "_process", announcer._Process())
    monkeypatch.setattr(announcer, "_threads", announcer._Threads())
    return layer


@given(topic_id=st.integers(1, 2**63 - 1))
def test_group_names_are_valid(topic_id: int) -> None:
    """Any primary key makes a name that channels takes, and no two make the same."""
    name = group_name(topic_id)
    assert BaseChannelLayer().require_valid_group_name(name)
    assert name != group_name(topic_id - 1)


@given(sizes=st.lists(st.integers(0, INLINE_LIMIT * 5 // 4), max_size=12))
def test_batches_stay_under_the_limit(sizes: list[int]) -> None:
    """Batches are in order, complete and small; what is too large goes without content."""
    events = [message(index, payload="x" * size) for index, size in enumerate(sizes, 1)]
    batches = [batch for _, batch in sender.batches(events)]
    found = [event for batch in batches for event in batch]
    assert [event.sequence for event in found] == [  # type: ignore[attr-defined]
        event.sequence for event in events
    ]
    for batch in batches:
        assert sum(map(weight, batch)) <= INLINE_LIMIT
    large = {each.sequence for each in events if weight(each) > INLINE_LIMIT}
    assert {each.sequence for each in found if isinstance(each, MessageStored)} == large


def test_large_unstored_message_travels_alone(layer: RecordingLayer) -> None:
    """Where nothing is stored, the announcement is the only way, however large."""
    large = message(None, payload="x" * (INLINE_LIMIT + 1))
    announce([message(None), large, message(None)])
    assert [batch for _, batch in layer.sent] == [[message(None)], [large], [message(None)]]


def test_each_topic_has_its_own_announcement(layer: RecordingLayer) -> None:
    """Events of several topics go to several groups, each in order."""
    announce([message(1, 1), message(1, 2), message(2, 1)])
    assert layer.sent == [
        (group_name(1), [message(1, 1), message(2, 1)]),
        (group_name(2), [message(1, 2)]),
    ]


def test_nothing_to_announce(layer: RecordingLayer) -> None:
    """No events, no announcement."""
    announce([])
    assert layer.loops == []


def test_no_channel_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host without a channel layer publishes all the same."""
    monkeypatch.setattr(announcer, "get_channel_layer", lambda: None)
    announce([message(1)])


def test_failing_layer_fails_nobody(
    layer: RecordingLayer, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged when it begins and when it ends, and that is all."""
    layer.fails = True
    with caplog.at_level(logging.WARNING):
        announce([message(1, 1), message(1, 2)])
    [began] = caplog.records
    assert began.getMessage() == "Announcing through the channel layer failed; it is tried again."
    assert began.exc_info is not None
    layer.fails = False
    announce([message(2)])
    assert "Announcing through the channel layer works again" in caplog.records[-1].getMessage()
    announce([message(3)])
    assert len(caplog.records) == 2


def test_hanging_layer_is_given_up(
    layer: RecordingLayer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A channel layer that never answers holds nobody for ever."""
    monkeypatch.setattr(sender, "SEND_TIMEOUT", 0.01)
    layer.before_sending = lambda: asyncio.Event().wait()
    announce([message(1)])
    assert layer.sent == []
    assert "Announcing through the channel layer failed" in caplog.text


async def test_threads_announce_through_the_home_loop(layer: RecordingLayer) -> None:
    """What a thread announces is sent from the server's loop, in order."""
    announce_from_running_loop()
    events = [message(sequence) for sequence in range(1, 51)]

    def in_a_thread() -> None:
        for event in events:
            announce([event])

    await asyncio.to_thread(in_a_thread)
    await until(lambda: len(layer.events) == 50)
    assert layer.events == events
    assert set(layer.loops) == {asyncio.get_running_loop()}


async def test_a_running_home_is_kept(layer: RecordingLayer) -> None:
    """A short-lived loop in a thread does not become home instead of the server's."""
    announce_from_running_loop()

    async def elsewhere() -> None:
        announce_from_running_loop()
        announce([message(1)])

    await asyncio.to_thread(lambda: asyncio.run(elsewhere()))
    await until(lambda: layer.events)
    assert layer.loops == [asyncio.get_running_loop()]


async def test_slow_layer_has_a_bounded_queue(
    layer: RecordingLayer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What a stuck channel layer cannot take is not announced, and later events are."""
    monkeypatch.setattr(loop_announcer, "SEND_QUEUE", 3)
    announce_from_running_loop()
    gate = asyncio.Event()
    layer.before_sending = gate.wait
    announce([message(1)])
    await until(lambda: layer.loops)
    announce([message(2), message(3)])
    announce([message(4), message(5)])
    await until(lambda: caplog.records)
    gate.set()
    await until(lambda: len(layer.events) == 3)
    announce([message(6)])
    await until(lambda: len(layer.events) == 4)
    assert layer.events == [message(1), message(2), message(3), message(6)]


async def test_flushing_waits_for_what_came_before(layer: RecordingLayer) -> None:
    """And not for what comes later, or a busy server would never be done."""
    announce_from_running_loop()
    gates = [asyncio.Event() for _ in range(2)]
    opened = iter(gates)
    layer.before_sending = lambda: next(opened).wait()
    announce([message(1)])
    first = asyncio.create_task(flush())
    await until(lambda: layer.loops)
    announce([message(2)])
    second = asyncio.create_task(flush())
    await asyncio.sleep(0)
    assert not first.done()
    gates[0].set()
    await first
    assert layer.events == [message(1)]
    assert not second.done()
    gates[1].set()
    await second
    assert layer.events == [message(1), message(2)]


async def test_flushing_from_another_loop(layer: RecordingLayer) -> None:
    """A loop in another thread waits for the one that announces."""
    announce_from_running_loop()

    async def elsewhere() -> int:
        announce([message(1)])
        await flush()
        return len(layer.events)

    assert await asyncio.to_thread(lambda: asyncio.run(elsewhere())) == 1


async def test_nothing_to_flush(layer: RecordingLayer) -> None:
    """Where nothing waits, or nobody announces, there is nothing to wait for."""
    await flush()
    announce_from_running_loop()
    await flush()


def test_a_loop_that_ends_keeps_nobody_waiting(
    layer: RecordingLayer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Flushing ends with the loop that announces, whatever it had still to do."""
    monkeypatch.setattr(sender, "SEND_TIMEOUT", 0.05)

    async def end_early() -> asyncio.Task[None]:
        announce_from_running_loop()
        layer.before_sending = lambda: asyncio.Event().wait()
        announce([message(1)])
        waiting = asyncio.create_task(asyncio.to_thread(lambda: asyncio.run(flush())))
        await until(lambda: layer.loops)
        return waiting

    assert asyncio.run(end_early()).cancelled()


@pytest.mark.django_db(transaction=True)
def test_announcement_waits_for_the_commit(layer: RecordingLayer) -> None:
    """Nobody hears of a row before everybody can read it."""
    with transaction.atomic():
        announce_on_commit([message(1)])
        assert layer.sent == []
    assert layer.events == [message(1)]


@pytest.mark.django_db(transaction=True)
def test_nothing_is_announced_on_rollback(layer: RecordingLayer) -> None:
    """What did not happen is not announced."""
    with transaction.atomic():
        announce_on_commit([message(1)])
        transaction.set_rollback(True)
    announce_on_commit([message(2)])
    assert layer.events == [message(2)]


def _payload(event: Event) -> int:
    return len(event.content["payload"]) if isinstance(event, MessagePublished) else 0
