"""What the tests of the delivery share: a channel layer and a table that do as they are told."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from pytest_django import Settings

from dasf_broker.domain.cursors import Head
from dasf_broker.domain.envelope import MessageType
from dasf_broker.domain.events import Event, MessagePublished, to_wire
from dasf_broker.exceptions import UnavailableError
from dasf_broker.realtime.hub import Hub
from dasf_broker.realtime.mailbox import Mailbox
from dasf_broker.realtime.page_size import PAGE, MissingPage

#: Seconds after which something that should happen is not going to.
DEADLINE = 10.0


class FakeLayer:
    """A channel layer in which nothing arrives unless the test rings the bell."""

    def __init__(self) -> None:
        self.groups: dict[str, set[str]] = defaultdict(set)
        self.added: list[str] = []
        self.discarded: list[str] = []
        self.channels = 0
        self.is_broken = False
        #: Cleared to let joins wait.
        self.may_join = asyncio.Event()
        self.may_join.set()
        #: Cleared to let leaving wait.
        self.may_leave = asyncio.Event()
        self.may_leave.set()
        self._arrived: asyncio.Queue[dict[str, Any] | Exception] = asyncio.Queue()

    async def new_channel(self) -> str:
        """Return a new channel, after others had their turn."""
        await asyncio.sleep(0)
        self.channels += 1
        return f"channel.{self.channels}"

    async def receive(self, channel: str) -> dict[str, Any]:
        """Wait for the bell."""
        assert channel == "channel.1", "a hub has one channel"
        arrived = await self._arrived.get()
        if isinstance(arrived, Exception):
            raise arrived
        return arrived

    async def group_add(self, group: str, channel: str) -> None:
        """Join."""
        self.added.append(group)
        await self.may_join.wait()
        if self.is_broken:
            raise OSError("no channel layer")
        self.groups[group].add(channel)

    async def group_discard(self, group: str, channel: str) -> None:
        """Leave."""
        self.discarded.append(group)
        await self.may_leave.wait()
        if self.is_broken:
            raise OSError("no channel layer")
        self.groups[group].discard(channel)

    async def group_send(self, group: str, announcement: dict[str, Any]) -> None:
        """Deliver to the members."""
        if self.is_broken:
            raise OSError("no channel layer")
        for _ in self.groups[group]:
            self._arrived.put_nowait(announcement)

    def ring_wire(self, *wires: Any) -> None:
        """Let an announcement of a server of another release arrive."""
        self._arrived.put_nowait({"type": "dasf.events", "events": [*wires]})

    def ring(self, *events: Event) -> None:
        """Let an announcement arrive."""
        self._arrived.put_nowait({"type": "dasf.events", "events": [*map(to_wire, events)]})

    def break_reading(self) -> None:
        """Let the next reading fail."""
        self._arrived.put_nowait(OSError("connection lost"))

    async def settled(self) -> None:
        """Wait until everything that arrived was read and dealt with."""
        await until(self._arrived.empty)
        for _ in range(10):
            await asyncio.sleep(0)


class FakeTable:
    """The stored messages."""

    def __init__(self, *topics: int) -> None:
        self.heads: dict[int, int] = dict.fromkeys(topics, 0)
        self.epochs: dict[int, int] = dict.fromkeys(topics, 5)
        self.rows: dict[int, dict[int, MessagePublished]] = defaultdict(dict)
        #: Up to here the retention removed messages.
        self.expired: dict[int, int] = dict.fromkeys(topics, 0)
        self.history = 0
        self.is_broken = False
        self.reads: list[tuple[int, int]] = []
        self.looks = 0

    def store(self, topic_id: int) -> MessagePublished:
        """Store the next message of a topic."""
        self.heads[topic_id] += 1
        sequence = self.heads[topic_id]
        stored = message(sequence, topic_id, epoch=self.epochs[topic_id], history=self.history)
        self.rows[topic_id][sequence] = stored
        return stored

    def restore(self, topic_id: int, sequence: int) -> None:
        """Go back to the message with this sequence; others follow it now."""
        self.history += 1
        self.heads[topic_id] = sequence
        rows = self.rows[topic_id]
        self.rows[topic_id] = {each: rows[each] for each in rows if each <= sequence}

    async def load_heads(self, topic_ids: Collection[int]) -> Mapping[int, Head]:
        """Return the ends of topics."""
        self.looks += 1
        self._check()
        known = [each for each in topic_ids if each in self.heads]
        return {each: self._head(each) for each in known}

    def _head(self, topic_id: int) -> Head:
        newest = self.rows[topic_id].get(self.heads[topic_id])
        message_id = None if newest is None else newest.message_id
        return Head(self.heads[topic_id], self.epochs[topic_id], message_id)

    async def begin_epochs(self, seen: Mapping[int, int]) -> None:
        """Begin new epochs."""
        self._check()
        for topic_id, epoch in seen.items():
            if self.epochs[topic_id] == epoch:
                self.epochs[topic_id] += 10

    async def load_messages(self, topic_id: int, position: int) -> MissingPage:
        """Return a page behind a position."""
        self.reads.append((topic_id, position))
        await asyncio.sleep(0)
        self._check()
        behind = sorted(each for each in self.rows[topic_id] if each > position)
        rows, epoch = self.rows[topic_id], self.epochs[topic_id]
        page = [replace(rows[each], epoch=epoch) for each in behind[:PAGE]]
        return MissingPage(page, is_last=len(page) < PAGE, expired=self.expired[topic_id])

    def _check(self) -> None:
        if self.is_broken:
            raise UnavailableError("no database")


@pytest.fixture(autouse=True)
def _no_looks_by_itself(settings: Settings) -> None:
    """Let the hub look only when a test says so."""
    settings.DASF_LOOK_INTERVAL = 3600


@pytest.fixture
async def layer() -> FakeLayer:
    """Return a channel layer that does as it is told."""
    return FakeLayer()


@pytest.fixture
def table() -> FakeTable:
    """Return a table with the topics 1 and 2."""
    return FakeTable(1, 2)


@pytest.fixture
async def hub(layer: FakeLayer, table: FakeTable) -> AsyncIterator[Hub]:
    """Return a hub between the two."""
    hub = new_hub(layer, table)
    yield hub
    layer.may_join.set()
    layer.may_leave.set()
    await hub.close()


def new_hub(layer: FakeLayer, table: FakeTable) -> Hub:
    """Return a hub."""
    return Hub(layer, table.load_heads, table.load_messages, table.begin_epochs)


def message(
    sequence: int | None, topic_id: int = 1, payload: str = "", epoch: int = 5, history: int = 0
) -> MessagePublished:
    """Return a message; one without a sequence is not stored."""
    message_id = UUID(int=(sequence or 0) + (history << 64))
    return MessagePublished(
        topic_id=topic_id,
        topic_slug=f"topic-{topic_id}",
        sequence=sequence,
        message_id=message_id,
        message_type=MessageType.REQUEST,
        content={"messageId": str(message_id), "properties": {}, "payload": payload},
        user_id=None,
        publish_time=datetime(2026, 1, 1, tzinfo=UTC),
        is_response=False,
        epoch=epoch,
    )


async def take(mailbox: Mailbox, count: int) -> list[int | None]:
    """Return the sequences of the next deliveries."""
    async with asyncio.timeout(DEADLINE):
        deliveries = [await mailbox.get() for _ in range(count)]
    assert None not in deliveries, "the mailbox lags"
    return [each.event.sequence for each in deliveries]  # type: ignore[union-attr]


async def until(condition: Callable[[], object]) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(DEADLINE):
        while not condition():  # noqa: ASYNC110 - what is looked at rings no bell
            await asyncio.sleep(0.001)
