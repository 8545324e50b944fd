"""The bounded queue of one subscriber."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dasf_broker.domain.events import MessagePublished
from dasf_broker.exceptions import NotFoundError
from dasf_broker.realtime.mailbox import Delivery, Mailbox, Results
from tests.realtime.conftest import message

#: What may happen to a mailbox: a stored or an unstored delivery, a look into it, catching up.
STEPS = st.lists(st.sampled_from(["stored", "unstored", "get", "catch up"]), max_size=60)


@given(steps=STEPS, bound=st.integers(1, 5))
async def test_bound_order_and_count_of_losses(steps: list[str], bound: int) -> None:
    """Whatever happens: bounded, in order, every loss counted or made known by lagging."""
    mailbox = _mailbox(bound)
    put: list[Delivery] = []
    got: list[Delivery] = []
    for step in steps:
        await _take(step, mailbox, put, got)
        assert len(mailbox) <= bound
    lagging = mailbox.lagging
    while len(mailbox):
        await _take("get", mailbox, put, got)
    order = {id(each): place for place, each in enumerate(put)}
    places = [order[id(each)] for each in got]
    assert places == sorted(set(places)), "in order, none twice"
    missed = [each for place, each in enumerate(put) if place not in places]
    assert mailbox.missed == sum(not each.is_stored for each in missed)
    if not lagging and "catch up" not in steps:
        assert not any(each.is_stored for each in missed), "a silent hole"


@given(before=st.integers(0, 10), bound=st.integers(1, 5))
async def test_stored_overflow_empties_once(before: int, bound: int) -> None:
    """A full mailbox of stored messages lags, keeps nothing and counts nothing as lost."""
    mailbox = _mailbox(bound)
    for sequence in range(1, before + 1):
        mailbox.put(Delivery(message(sequence)))
    assert mailbox.lagging is (before > bound)
    assert len(mailbox) == (0 if before > bound else before)
    assert mailbox.missed == 0


async def test_lagging_is_told_by_none() -> None:
    """A lagging subscriber gets ``None``, and deliveries again once it caught up."""
    mailbox = _mailbox(1)
    for sequence in (1, 2, 3):
        mailbox.put(Delivery(message(sequence)))
    assert await mailbox.get() is None
    mailbox.catch_up()
    mailbox.put(again := Delivery(message(4)))
    assert await mailbox.get() is again


async def test_unstored_pushes_out_a_stored_one() -> None:
    """A hole among stored messages is not silent: all of them are read again."""
    mailbox = _mailbox(2)
    mailbox.put(Delivery(message(1)))
    mailbox.put(Delivery(message(2)))
    mailbox.put(unstored := Delivery(message(None)))
    assert (await mailbox.get(), await mailbox.get()) == (unstored, None)
    assert mailbox.missed == 0


async def test_dropped_is_taken_once() -> None:
    """The number of losses is reported one time."""
    mailbox = _mailbox(1)
    for _ in range(3):
        mailbox.put(Delivery(message(None)))
    waiting = await mailbox.get()
    assert waiting is not None
    assert mailbox.with_missed(waiting) == Delivery(waiting.event, missed=2)
    assert mailbox.with_missed(waiting) is waiting


async def test_get_waits_for_put() -> None:
    """A waiting subscriber is woken, one that was cancelled disturbs nobody."""
    mailbox = _mailbox(1)
    cancelled = asyncio.ensure_future(mailbox.get())
    await asyncio.sleep(0)
    cancelled.cancel()
    await asyncio.gather(cancelled, return_exceptions=True)
    waiting = asyncio.ensure_future(mailbox.get())
    await asyncio.sleep(0)
    mailbox.put(delivery := Delivery(message(1)))
    assert await asyncio.wait_for(waiting, 5) is delivery


async def test_failure_comes_after_what_waits() -> None:
    """The end of a subscription takes nothing away that was already there."""
    mailbox = _mailbox(2)
    mailbox.put(delivery := Delivery(message(1)))
    mailbox.fail(NotFoundError("gone"))
    assert await mailbox.get() is delivery
    for _ in range(2):
        with pytest.raises(NotFoundError, match="gone"):
            await mailbox.get()


async def test_failure_wakes_who_waits() -> None:
    """A subscriber who waits for a delivery learns of the end at once."""
    mailbox = _mailbox(1)
    waiting = asyncio.ensure_future(mailbox.get())
    await asyncio.sleep(0)
    mailbox.fail(NotFoundError("gone"))
    with pytest.raises(NotFoundError, match="gone"):
        await asyncio.wait_for(waiting, 5)


@given(
    stored=st.booleans(), sizes=st.lists(st.integers(0, 3000), max_size=30), most=st.integers(1, 9)
)
async def test_bytes_are_bounded(stored: bool, sizes: list[int], most: int) -> None:
    """What waits stays under the bytes that may wait, except for a single large delivery."""
    mailbox = _mailbox(1000, most * 1000)
    for sequence, size in enumerate(sizes, 1):
        mailbox.catch_up()
        mailbox.put(Delivery(message(sequence if stored else None, payload="x" * size)))
        assert len(mailbox) <= 1 or mailbox._weight <= most * 1000
    held = len(mailbox)
    weighed = 0
    for _ in range(held):
        delivery = await mailbox.get()
        assert delivery is not None
        weighed += delivery.weight
    assert mailbox._weight == 0
    assert mailbox.missed == (0 if stored else len(sizes) - held)
    assert weighed <= most * 1000 or held == 1


def test_losses_elsewhere_are_counted() -> None:
    """What was lost before it came here adds to what was dropped here."""
    mailbox = _mailbox(1)
    for _ in range(3):
        mailbox.put(Delivery(message(None)))
    mailbox.miss(5)
    assert mailbox.missed == 7


def test_what_is_made_of_an_event_is_made_once() -> None:
    """What one subscriber made of an event serves the others."""
    made: list[object] = []

    def view(event: object) -> int:
        made.append(event)
        return len(made)

    delivery = Delivery(message(1))
    assert [delivery.made(view), delivery.made(view)] == [1, 1]
    assert made == [delivery.event]


async def _take(step: str, mailbox: Mailbox, put: list[Delivery], got: list[Delivery]) -> None:
    match step:
        case "stored" | "unstored":
            put.append(Delivery(message(len(put) + 1 if step == "stored" else None)))
            mailbox.put(put[-1])
        case "get" if len(mailbox):
            delivery = await mailbox.get()
            assert delivery is not None
            got.append(delivery)
        case "catch up":
            mailbox.catch_up()


def _mailbox(bound: int, most_bytes: int = 1_000_000) -> Mailbox:
    return Mailbox(frozenset({MessagePublished}), bound, most_bytes)


@given(lengths=st.lists(st.integers(0, 12), max_size=30), room=st.integers(0, 20))
def test_results_that_are_kept(lengths: list[int], room: int) -> None:
    """As many of the newest as there is room for, whatever came before."""
    results, expected = Results(room), dict[int, str]()
    for key, length in enumerate(lengths):
        results.keep(key, "x" * length)
        expected[key] = "x" * length
        while sum(map(len, expected.values())) > room:
            del expected[min(expected)]
        assert results == expected


def test_room_for_results_depends_on_the_message() -> None:
    """A result may be longer than its message, but not much longer than all its parts."""
    for size in (0, 10_000, 1_000_000):
        delivery = Delivery(message(1, payload="x" * size))
        delivery.memo.keep("part", "x" * 5 * size)
        delivery.memo.keep("all", "x" * 20 * size + "x" * 20_000)
        assert list(delivery.memo) == []
        delivery.memo.keep("part", "x" * 5 * size)
        assert list(delivery.memo) == ["part"]
