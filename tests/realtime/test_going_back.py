"""A database that goes back under live subscribers: a restored backup, or a replica that lagged."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dasf_broker.domain.cursors import Head
from dasf_broker.domain.events import MessagePublished, MessageStored, TopicPinged, to_wire
from dasf_broker.exceptions import UnavailableError
from dasf_broker.realtime.hub import Hub
from dasf_broker.realtime.topic_subscribers import RECENT
from tests.realtime.conftest import FakeLayer, FakeTable, message, new_hub, take

MESSAGES = {MessagePublished}


async def _begin(layer: FakeLayer, table: FakeTable, mailbox: Any, count: int) -> None:
    """Publish messages to the subscriber of a mailbox."""
    layer.ring(*[table.store(1) for _ in range(count)])
    assert await take(mailbox, count) == [*range(1, count + 1)]


@pytest.mark.parametrize("kinds", [MESSAGES, {TopicPinged}])
async def test_a_head_behind_ends_the_subscriptions(
    kinds: Any, hub: Hub, layer: FakeLayer, table: FakeTable, caplog: pytest.LogCaptureFixture
) -> None:
    """With an error that clients retry; and old cursors are not honoured any more."""
    async with (
        hub.subscription(1, MESSAGES) as (first, _),
        hub.subscription(1, kinds) as (other, _),
    ):
        await _begin(layer, table, first, 5)
        table.restore(1, 3)
        await hub.poll()
        for mailbox in (first, other):
            with pytest.raises(UnavailableError, match="subscribe again"):
                mailbox.check()
        assert table.epochs[1] == 15
        assert "topic 1 had the sequence 5, and has 3 now" in caplog.text
        async with hub.subscription(1, MESSAGES, epoch=15) as (again, position):
            layer.ring(table.store(1))
            assert (position, await take(again, 1)) == (3, [4])
    assert table.epochs[2] == 5


async def test_what_waits_is_not_delivered(hub: Hub, layer: FakeLayer, table: FakeTable) -> None:
    """The client would take it for a message that the broker still has."""
    async with hub.subscription(1, MESSAGES) as (mailbox, _):
        layer.ring(table.store(1), table.store(1))
        await layer.settled()
        table.restore(1, 1)
        await hub.poll()
        assert len(mailbox) == 0


async def test_an_announcement_during_the_look_is_no_false_alarm(
    hub: Hub, layer: FakeLayer, table: FakeTable
) -> None:
    """The head that was read is older than the position, because that moved on."""
    load_heads = table.load_heads

    async def slow_heads(topic_ids: Collection[int]) -> Mapping[int, Head]:
        heads = await load_heads(topic_ids)
        layer.ring(table.store(1))
        await layer.settled()
        return heads

    async with hub.subscription(1, MESSAGES) as (mailbox, _):
        hub._load_heads = slow_heads
        await hub.poll()
        assert await take(mailbox, 1) == [1]
        mailbox.check()
    assert table.epochs[1] == 5


@pytest.mark.parametrize("announced", [True, False])
@pytest.mark.parametrize("back", [1, 3, RECENT // 2])
async def test_the_old_head_is_passed_before_the_next_look(
    back: int, announced: bool, hub: Hub, layer: FakeLayer, table: FakeTable
) -> None:
    """Another message has a known sequence: nothing is delivered, and the subscription ends."""
    async with hub.subscription(1, MESSAGES) as (mailbox, _):
        await _begin(layer, table, mailbox, RECENT)
        table.restore(1, RECENT - back)
        later = [table.store(1) for _ in range(2 * back + 1)]
        if announced:
            layer.ring(*later)
        await layer.settled()
        await hub.poll()
        await layer.settled()
        await hub.poll()
        with pytest.raises(UnavailableError):
            mailbox.check()
    assert table.epochs[1] > 5


async def test_a_late_announcement_is_no_false_alarm(
    hub: Hub, layer: FakeLayer, table: FakeTable
) -> None:
    """The same messages again, in any order, with or without content."""
    async with hub.subscription(1, MESSAGES) as (mailbox, _):
        await _begin(layer, table, mailbox, 2 * RECENT)
        for each in table.rows[1].values():
            stored = MessageStored(topic_id=1, sequence=each.sequence or 0, epoch=5)
            layer.ring(each, stored)
        await layer.settled()
        await hub.poll()
        assert len(mailbox) == 0
        mailbox.check()
    assert table.epochs[1] == 5


async def test_a_new_epoch_ends_the_subscriptions(
    hub: Hub, layer: FakeLayer, table: FakeTable
) -> None:
    """Another process, or an operator, began it: it is not changed once more."""
    async with hub.subscription(1, MESSAGES) as (mailbox, _):
        await _begin(layer, table, mailbox, 2)
        table.epochs[1] = 9
        layer.ring(table.store(1))  # not delivered: the hub does not know its epoch yet
        await layer.settled()
        assert len(mailbox) == 0
        await hub.poll()
        with pytest.raises(UnavailableError):
            mailbox.check()
    assert table.epochs[1] == 9


async def test_an_earlier_epoch_is_ended_too(hub: Hub, layer: FakeLayer, table: FakeTable) -> None:
    """The backup is from before the epoch: its cursors are still about."""
    async with hub.subscription(1, MESSAGES) as (mailbox, _):
        await _begin(layer, table, mailbox, 2)
        table.epochs[1], table.heads[1] = 3, 10
        await hub.poll()
        with pytest.raises(UnavailableError):
            mailbox.check()
    assert table.epochs[1] == 13


async def test_two_hubs_end_one_epoch_once(layer: FakeLayer, table: FakeTable) -> None:
    """The second one finds the new epoch."""
    hubs = [new_hub(layer, table), new_hub(FakeLayer(), table)]
    async with hubs[0].subscription(1, MESSAGES), hubs[1].subscription(1, MESSAGES):
        table.heads[1] = 2
        for hub in hubs:
            await hub.poll()
            await asyncio.sleep(0)
            await hub.poll()
        table.heads[1] = 1
        for hub in hubs:
            await hub.poll()
    assert table.epochs[1] == 15
    for hub in hubs:
        await hub.close()


async def test_a_subscriber_with_another_epoch_does_not_enter(
    hub: Hub, layer: FakeLayer, table: FakeTable
) -> None:
    """The sequence behind which it reads on means another message here."""
    with pytest.raises(UnavailableError):
        async with hub.subscription(1, MESSAGES, epoch=4):
            pass
    assert not hub.topics
    async with hub.subscription(1, MESSAGES, epoch=5) as (mailbox, _):
        await _begin(layer, table, mailbox, 1)


async def test_the_epoch_begins_when_the_database_can_write(
    hub: Hub, layer: FakeLayer, table: FakeTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until then nothing is delivered: clients would come back with cursors that are honoured."""

    async def read_only(seen: Mapping[int, int]) -> None:
        raise UnavailableError("read-only")

    async with hub.subscription(1, MESSAGES) as (mailbox, _):
        await _begin(layer, table, mailbox, 3)
        table.restore(1, 1)
        begin_epochs, hub._begin_epochs = hub._begin_epochs, read_only
        with pytest.raises(UnavailableError, match="read-only"):
            await hub.poll()
        layer.ring(*[table.store(1) for _ in range(5)])
        await layer.settled()
        assert len(mailbox) == 0
        hub._begin_epochs = begin_epochs
        await hub.poll()
        with pytest.raises(UnavailableError, match="subscribe again"):
            mailbox.check()
    assert table.epochs[1] == 15


async def test_announcements_of_another_epoch_move_no_position(
    hub: Hub, layer: FakeLayer, table: FakeTable
) -> None:
    """They were on their way when the database went back; before the position is known, too."""
    layer.may_join.clear()
    entering = asyncio.create_task(hub.subscription(1, MESSAGES).__aenter__())
    await layer.settled()
    layer.ring(message(50, epoch=4), MessageStored(topic_id=1, sequence=60, epoch=4))
    await layer.settled()
    layer.may_join.set()
    mailbox, _ = await entering
    layer.ring(message(1, epoch=4), table.store(1))
    assert await take(mailbox, 1) == [1]
    await hub.poll()
    mailbox.check()


async def test_a_server_of_an_older_release_announces_without_epochs(
    hub: Hub, layer: FakeLayer, table: FakeTable
) -> None:
    """Its messages are delivered, with cursors of the epoch that the database has."""
    async with hub.subscription(1, MESSAGES) as (mailbox, _):
        wire = to_wire(table.store(1))
        assert wire.pop("epoch") == 5
        layer.ring_wire(wire)
        delivery = await mailbox.get()
        assert delivery is not None
        assert delivery.message == table.rows[1][1]


@given(
    data=st.data(),
    published=st.integers(1, 12),
    later=st.integers(0, 12),
    times=st.sampled_from([st.just(0), st.integers(1, 2)]),
)
async def test_any_schedule_around_a_restore(
    data: st.DataObject, published: int, later: int, times: st.SearchStrategy[int]
) -> None:
    """All announcements arrive, or none: a subscription that goes on has missed nothing."""
    layer, table = FakeLayer(), FakeTable(1)
    hub = new_hub(layer, table)
    async with hub.subscription(1, MESSAGES) as (mailbox, _):
        layer.ring(*[table.store(1) for _ in range(published)])
        await take(mailbox, published)
        back = data.draw(st.integers(0, published))
        table.restore(1, published - back)
        for each in [table.store(1) for _ in range(later)]:
            layer.ring(*[each] * data.draw(times))
            if data.draw(st.booleans()):
                await layer.settled()
            if data.draw(st.booleans()):
                await hub.poll()
        for _ in range(3):
            await layer.settled()
            await hub.poll()
        if back:
            with pytest.raises(UnavailableError):
                mailbox.check()
        else:
            assert await take(mailbox, len(mailbox)) == [
                *range(published + 1, published + later + 1)
            ]
            mailbox.check()
    await hub.close()
