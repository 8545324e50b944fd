"""The hub: order and completeness whatever the channel layer does."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dasf_broker.domain.cursors import Head
from dasf_broker.domain.events import (
    Event,
    MessagePublished,
    MessageStored,
    TopicDeleted,
    TopicPinged,
)
from dasf_broker.exceptions import NotFoundError
from dasf_broker.realtime.hub import Hub
from dasf_broker.realtime.page_size import PAGE
from tests.realtime.conftest import DEADLINE, FakeLayer, FakeTable, message, new_hub, take

MESSAGES = {MessagePublished}


async def test_in_order_without_reading(hub: Hub, layer: FakeLayer, table: FakeTable) -> None:
    """Announcements that follow each other need no query."""
    async with hub.subscription(1, MESSAGES) as (mailbox, position):
        layer.ring(table.store(1), table.store(1))
        layer.ring(table.store(1))
        assert position == 0
        assert await take(mailbox, 3) == [1, 2, 3]
    assert table.reads == []


async def test_everybody_shares_one_delivery(hub: Hub, layer: FakeLayer, table: FakeTable) -> None:
    """All subscribers of the process get the same object, so that it is rendered once."""
    async with hub.subscription(1, MESSAGES) as (one, _), hub.subscription(1, MESSAGES) as (two, _):
        layer.ring(table.store(1))
        assert await one.get() is await two.get()


async def test_gap_is_read(hub: Hub, layer: FakeLayer, table: FakeTable) -> None:
    """A lost announcement is noticed with the next one."""
    async with hub.subscription(1, MESSAGES) as (mailbox, _):
        table.store(1)
        layer.ring(table.store(1))
        assert await take(mailbox, 2) == [1, 2]
    assert table.reads == [(1, 0)]


async def test_long_gap_is_read_in_pages(hub: Hub, layer: FakeLayer, table: FakeTable) -> None:
    """However much is missing, it comes in pages."""
    async with hub.subscription(1, MESSAGES) as (mailbox, _):
        for _ in range(2 * PAGE + 1):
            newest = table.store(1)
        layer.ring(newest)
        assert await take(mailbox, 2 * PAGE + 1) == [*range(1, 2 * PAGE + 2)]
    assert table.reads == [(1, 0), (1, PAGE), (1, 2 * PAGE)]


async def test_duplicates_and_stragglers_are_dropped(
    hub: Hub, layer: FakeLayer, table: FakeTable
) -> None:
    """An announcement that comes twice, or late, delivers nothing again."""
    async with hub.subscription(1, MESSAGES) as (mailbox, _):
        one, two, three = (table.store(1) for _ in range(3))
        layer.ring(two, two, one)
        layer.ring(one, three)
        assert await take(mailbox, 3) == [1, 2, 3]
        await layer.settled()
        assert len(mailbox) == 0


async def test_announcement_without_content(hub: Hub, layer: FakeLayer, table: FakeTable) -> None:
    """A message too large for the channel layer is read."""
    async with hub.subscription(1, MESSAGES) as (mailbox, _):
        stored = table.store(1)
        layer.ring(MessageStored(topic_id=1, sequence=1, epoch=5))
        delivery = await mailbox.get()
    assert delivery is not None
    assert delivery.event == stored


async def test_removed_messages_are_no_gap(hub: Hub, layer: FakeLayer, table: FakeTable) -> None:
    """What was acknowledged and removed meanwhile is not waited for."""
    async with hub.subscription(1, MESSAGES) as (mailbox, _):
        table.store(1)
        layer.ring(table.store(1))
        del table.rows[1][1], table.rows[1][2]
        await layer.settled()
        layer.ring(table.store(1))
        assert await take(mailbox, 1) == [3]
    assert table.reads == [(1, 0)]


async def test_lost_last_announcement_is_found_by_looking(
    hub: Hub, layer: FakeLayer, table: FakeTable
) -> None:
    """Where no later announcement shows the gap, the look does, with one query for all topics."""
    async with hub.subscription(1, MESSAGES) as (one, _), hub.subscription(2, MESSAGES) as (two, _):
        table.store(1)
        table.store(2)
        before = table.looks
        await hub.poll()
        assert table.looks == before + 1
        assert (await take(one, 1), await take(two, 1)) == ([1], [1])


async def test_unreadable_rows_are_tried_again(
    hub: Hub, layer: FakeLayer, table: FakeTable
) -> None:
    """A database that fails while the hub catches up costs time, not messages."""
    async with hub.subscription(1, MESSAGES) as (mailbox, _):
        table.store(1)
        table.is_broken = True
        layer.ring(table.store(1))
        await layer.settled()
        assert len(mailbox) == 0
        table.is_broken = False
        await hub.poll()
        assert await take(mailbox, 2) == [1, 2]


async def test_kinds_are_filtered(hub: Hub, layer: FakeLayer, table: FakeTable) -> None:
    """A mailbox holds what its subscriber listens to; pings are passed on as they come."""
    async with hub.subscription(1, {TopicPinged}) as (mailbox, _):
        layer.ring(table.store(1), _ping(), message(None))
        delivery = await mailbox.get()
        await layer.settled()
        assert delivery is not None
        assert delivery.event == _ping()
        assert len(mailbox) == 0


async def test_topics_do_not_mix(hub: Hub, layer: FakeLayer, table: FakeTable) -> None:
    """Nobody gets another topic's messages, listened to or not."""
    async with hub.subscription(1, MESSAGES) as (mailbox, _), hub.subscription(2, MESSAGES):
        layer.ring(table.store(2), message(1, topic_id=99), table.store(1))
        delivery = await mailbox.get()
        await layer.settled()
        assert delivery is not None
        assert delivery.event.topic_id == 1
        assert len(mailbox) == 0


@pytest.mark.parametrize("way", ["announced", "found by looking"])
async def test_deleted_topic_ends_its_subscriptions(
    hub: Hub, layer: FakeLayer, table: FakeTable, way: str
) -> None:
    """Subscribers are told when their topic is gone, after what was sent before."""
    async with hub.subscription(1, MESSAGES) as (mailbox, _):
        layer.ring(table.store(1))
        await layer.settled()
        del table.heads[1]
        if way == "announced":
            layer.ring(TopicDeleted(topic_id=1, topic_slug="topic-1"))
        else:
            await hub.poll()
        assert await take(mailbox, 1) == [1]
        with pytest.raises(NotFoundError):
            await asyncio.wait_for(mailbox.get(), DEADLINE)


async def test_nothing_opens_on_a_deleted_topic(hub: Hub, layer: FakeLayer) -> None:
    """A topic that went before the subscription was open is an error, and leaves nothing."""
    with pytest.raises(NotFoundError):
        async with hub.subscription(99, MESSAGES):
            pytest.fail("there is no such topic")
    assert hub.topics == frozenset()
    assert not any(layer.groups.values())


async def test_published_while_joining(hub: Hub, layer: FakeLayer, table: FakeTable) -> None:
    """What is committed between joining and knowing the position is delivered or in it."""
    table.store(1)
    layer.may_join.clear()
    async with AsyncExitStack() as stack:
        entering = asyncio.create_task(stack.enter_async_context(hub.subscription(1, MESSAGES)))
        await layer.settled()
        two = table.store(1)
        layer.ring(two)
        await layer.settled()
        layer.may_join.set()
        mailbox, position = await entering
        layer.ring(two, table.store(1))
        assert position == 2
        assert await take(mailbox, 1) == [3]


async def test_announced_ahead_of_the_position(
    hub: Hub, layer: FakeLayer, table: FakeTable
) -> None:
    """An announcement that overtakes the query for the position is not forgotten."""
    load_heads = table.load_heads

    async def stale_heads(topic_ids: list[int]) -> dict[int, Head]:
        heads = dict(await load_heads(topic_ids))
        layer.ring(table.store(1))
        await layer.settled()
        return heads

    hub._load_heads = stale_heads  # type: ignore[assignment]
    async with hub.subscription(1, MESSAGES) as (mailbox, position):
        assert position == 0
        assert await take(mailbox, 1) == [1]


@given(data=st.data(), count=st.integers(1, 12))
async def test_any_schedule_of_announcements(data: st.DataObject, count: int) -> None:
    """Dropped, doubled, reordered, with or without content: one look later all came, once."""
    layer, table = FakeLayer(), FakeTable(1)
    hub = new_hub(layer, table)
    async with hub.subscription(1, MESSAGES) as (mailbox, _):
        stored: list[int] = []
        got: list[int | None] = []
        for sequence in [table.store(1).sequence or 0 for _ in range(count)]:
            stored.append(sequence)
            for rung in data.draw(st.lists(st.sampled_from(stored), max_size=3)):
                layer.ring(_announced(table, rung, whole=data.draw(st.booleans())))
            if data.draw(st.booleans()):
                await layer.settled()
                got += await take(mailbox, len(mailbox))
        await layer.settled()
        await hub.poll()
        got += await take(mailbox, count - len(got))
        await layer.settled()
        assert got == [*range(1, count + 1)]
        assert len(mailbox) == 0
    await hub.close()


def _announced(table: FakeTable, sequence: int, *, whole: bool) -> Event:
    return (
        table.rows[1][sequence] if whole else MessageStored(topic_id=1, sequence=sequence, epoch=5)
    )


def _ping() -> TopicPinged:
    when = datetime(2026, 1, 1, tzinfo=UTC)
    return TopicPinged(topic_id=1, topic_slug="topic-1", pinged_at=when, user_id=None)
