"""The hub's membership in groups: one for each topic, healed when lost, left behind never."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from dasf_broker.domain.events import MessagePublished
from dasf_broker.realtime import group_membership
from dasf_broker.realtime import hub as hub_module
from dasf_broker.realtime.hub import Hub
from dasf_broker.realtime.sender import group_name
from tests.realtime.conftest import DEADLINE, FakeLayer, FakeTable, message, new_hub, take, until

MESSAGES = {MessagePublished}


async def test_one_membership_for_all_subscribers(hub: Hub, layer: FakeLayer) -> None:
    """The first joins, the last leaves, whoever comes and goes in between."""
    async with AsyncExitStack() as stack:
        for _ in range(5):
            await stack.enter_async_context(hub.subscription(1, MESSAGES))
        async with hub.subscription(1, MESSAGES):
            pass
        assert (layer.added, layer.discarded) == ([group_name(1)], [])
        assert hub.topics == {1}
    assert layer.discarded == [group_name(1)]
    assert hub.topics == frozenset()


async def test_concurrent_first_subscribers(hub: Hub, layer: FakeLayer, table: FakeTable) -> None:
    """All who come at once hear, through one channel and one membership a topic."""
    async with AsyncExitStack() as stack:
        opened = await asyncio.gather(
            *(stack.enter_async_context(hub.subscription(each, MESSAGES)) for each in [1, 2] * 5)
        )
        layer.ring(table.store(1), table.store(2))
        assert [await take(mailbox, 1) for mailbox, _ in opened] == [[1]] * 10
    assert layer.channels == 1
    assert sorted(layer.added) == [group_name(1), group_name(2)]


async def test_coming_while_the_last_one_leaves(
    hub: Hub, layer: FakeLayer, table: FakeTable
) -> None:
    """Who subscribes while the group is being left is not made deaf by that."""
    async with AsyncExitStack() as first, AsyncExitStack() as second:
        await first.enter_async_context(hub.subscription(1, MESSAGES))
        layer.may_leave.clear()
        leaving = asyncio.create_task(first.aclose())
        await until(lambda: layer.discarded)
        coming = asyncio.create_task(second.enter_async_context(hub.subscription(1, MESSAGES)))
        await layer.settled()
        layer.may_leave.set()
        await leaving
        mailbox, _ = await coming
        assert layer.groups[group_name(1)] == {"channel.1"}
        layer.ring(message(None))
        assert await take(mailbox, 1) == [None]


async def test_cancelled_while_joining(hub: Hub, layer: FakeLayer) -> None:
    """Nothing stays behind of a subscriber who gave up."""
    layer.may_join.clear()
    joining = asyncio.create_task(_listen_for_ever(hub))
    await until(lambda: layer.added)
    joining.cancel()
    await asyncio.gather(joining, return_exceptions=True)
    assert hub.topics == frozenset()
    assert layer.discarded == [group_name(1)]


async def test_next_in_line_takes_over(hub: Hub, layer: FakeLayer, table: FakeTable) -> None:
    """When the one who joins gives up, the one who waited for it joins."""
    layer.may_join.clear()
    async with AsyncExitStack() as stack:
        first = asyncio.create_task(_listen_for_ever(hub))
        await until(lambda: layer.added)
        second = asyncio.create_task(stack.enter_async_context(hub.subscription(1, MESSAGES)))
        await layer.settled()
        first.cancel()
        layer.may_join.set()
        mailbox, _ = await second
        await asyncio.gather(first, return_exceptions=True)
        assert layer.groups[group_name(1)] == {"channel.1"}
        layer.ring(table.store(1))
        assert await take(mailbox, 1) == [1]


async def test_cancelled_while_leaving(hub: Hub, layer: FakeLayer) -> None:
    """A subscriber who is cancelled, even twice, leaves all the same."""
    listening = asyncio.create_task(_listen_for_ever(hub))
    await until(lambda: layer.groups[group_name(1)])
    layer.may_leave.clear()
    listening.cancel()
    await until(lambda: layer.discarded)
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)
    layer.may_leave.set()
    await until(lambda: not layer.groups[group_name(1)])
    await until(lambda: not hub.topics)


@given(plan=st.lists(st.tuples(st.integers(1, 2), st.integers(0, 8)), max_size=15))
async def test_any_coming_and_going_leaks_nothing(plan: list[tuple[int, int]]) -> None:
    """Whenever subscribers are cancelled: in the end no group, no room and no mailbox is left."""
    layer = FakeLayer()
    hub = new_hub(layer, FakeTable(1, 2))
    tasks = []
    for topic_id, patience in plan:
        tasks.append(asyncio.create_task(_listen_for_ever(hub, topic_id)))
        for _ in range(patience):
            await asyncio.sleep(0)
        if patience % 3:
            tasks[patience % len(tasks)].cancel()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await until(lambda: not hub.topics)
    assert not any(layer.groups.values())
    await hub.close()


async def test_join_that_failed_is_made_again(hub: Hub, layer: FakeLayer, table: FakeTable) -> None:
    """Without a channel layer one can subscribe, is served by looking, and hears again later."""
    layer.is_broken = True
    async with hub.subscription(1, MESSAGES) as (mailbox, _):
        table.store(1)
        await hub.poll()
        assert await take(mailbox, 1) == [1]
        layer.is_broken = False
        await until(lambda: hub._groups._renewing is None or hub._groups._renewing.done())
        await hub.poll()
        await until(lambda: layer.groups[group_name(1)])
        layer.ring(message(None))
        assert await take(mailbox, 1) == [None]


async def test_reading_that_fails_heals(
    hub: Hub, layer: FakeLayer, table: FakeTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After an error the hub reads on, and joins again: the groups may be gone."""
    monkeypatch.setattr(hub_module, "RETRY", 0)
    async with hub.subscription(1, MESSAGES) as (mailbox, _):
        layer.groups.clear()
        layer.break_reading()
        await layer.settled()
        layer.ring(table.store(1))
        assert await take(mailbox, 1) == [1]
        await until(lambda: layer.groups[group_name(1)])


async def test_flushed_layer_is_noticed(
    hub: Hub, layer: FakeLayer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hub that does not hear itself joins all its groups again, though nothing was missed."""
    monkeypatch.setattr(group_membership, "PROBE_TIMEOUT", 0.05)
    async with hub.subscription(1, MESSAGES), hub.subscription(2, MESSAGES):
        for _ in range(3):
            await hub._groups.probe()
        assert layer.added.count(group_name(1)) == 1, "as long as it hears itself it is a member"
        layer.groups.clear()
        await hub._groups.probe()
        await until(lambda: layer.groups[group_name(1)] and layer.groups[group_name(2)])
        await hub._groups.probe()
        await hub._groups.probe()
        assert layer.added.count(group_name(1)) == 2, "it hears itself again"


async def test_probe_that_fails_is_no_news(hub: Hub, layer: FakeLayer) -> None:
    """While the channel layer is broken nothing else breaks, and afterwards all is joined."""
    async with hub.subscription(1, MESSAGES):
        layer.is_broken = True
        await hub._groups.probe()
        layer.is_broken = False
        layer.groups.clear()
        await hub._groups.probe()
        await until(lambda: layer.groups[group_name(1)])


async def test_forgotten_membership_is_found_by_looking(
    hub: Hub, layer: FakeLayer, table: FakeTable
) -> None:
    """A message that rang no bell makes the hub join again: its group may have been flushed."""
    async with hub.subscription(1, MESSAGES) as (mailbox, _):
        layer.groups.clear()
        table.store(1)
        await hub.poll()
        assert await take(mailbox, 1) == [1]
        await until(lambda: layer.groups[group_name(1)])


@pytest.mark.parametrize(("renewal", "joins"), [(0.0, 2), (3600.0, 1)])
async def test_memberships_are_renewed(
    hub: Hub, layer: FakeLayer, monkeypatch: pytest.MonkeyPatch, renewal: float, joins: int
) -> None:
    """A membership is renewed before it expires, and not with every look."""
    monkeypatch.setattr(group_membership, "RENEWAL", renewal)
    async with hub.subscription(1, MESSAGES):
        await hub.poll()
        await layer.settled()
        assert layer.added == [group_name(1)] * joins


async def test_hanging_layer_does_not_hold_up_the_looks(
    hub: Hub, layer: FakeLayer, table: FakeTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While joining hangs, every look still finds what is new in every topic."""
    monkeypatch.setattr(group_membership, "SEND_TIMEOUT", 3600)
    async with hub.subscription(1, MESSAGES) as (one, _), hub.subscription(2, MESSAGES) as (two, _):
        layer.may_join.clear()
        for sequence in (1, 2):
            table.store(1)
            table.store(2)
            await asyncio.wait_for(hub.poll(), DEADLINE)
            assert (await take(one, 1), await take(two, 1)) == ([sequence], [sequence])
        layer.may_join.set()


async def test_renewal_does_not_outlive_the_room(
    hub: Hub, layer: FakeLayer, table: FakeTable
) -> None:
    """A renewal that is on its way when the last subscriber leaves leaves nothing behind."""
    async with hub.subscription(1, MESSAGES):
        layer.may_join.clear()
        table.store(1)
        await hub.poll()
        await until(lambda: len(layer.added) == 2)
        asyncio.get_running_loop().call_soon(layer.may_join.set)
    assert not layer.groups[group_name(1)]
    assert hub.topics == frozenset()


async def test_renewal_does_not_join_what_was_left(
    hub: Hub, layer: FakeLayer, table: FakeTable
) -> None:
    """A renewal that begins while the last subscriber leaves does not join any more."""
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(hub.subscription(1, MESSAGES))
        layer.may_leave.clear()
        leaving = asyncio.create_task(stack.aclose())
        await until(lambda: layer.discarded)
        table.store(1)
        await hub.poll()
        await layer.settled()
        layer.may_leave.set()
        await leaving
    await until(lambda: hub._groups._renewing is not None and hub._groups._renewing.done())
    assert not layer.groups[group_name(1)]


async def test_looking_that_fails_goes_on(hub: Hub, table: FakeTable, settings: Settings) -> None:
    """The regular looks survive a database that does not answer."""
    settings.DASF_LOOK_INTERVAL = 0.001
    async with hub.subscription(1, MESSAGES) as (mailbox, _):
        table.store(1)
        table.is_broken = True
        before = table.looks
        await until(lambda: table.looks > before + 1)
        table.is_broken = False
        assert await take(mailbox, 1) == [1]


async def test_closing_leaves_all_groups(layer: FakeLayer, table: FakeTable) -> None:
    """A process that stops is in no group and runs no task any more."""
    before = asyncio.all_tasks()
    hub = new_hub(layer, table)
    async with hub.subscription(1, MESSAGES), hub.subscription(2, MESSAGES):
        await hub.close()
        assert not any(layer.groups.values())
    assert asyncio.all_tasks() == before


async def _listen_for_ever(hub: Hub, topic_id: int = 1) -> None:
    async with hub.subscription(topic_id, MESSAGES) as (mailbox, _):
        await mailbox.get()
