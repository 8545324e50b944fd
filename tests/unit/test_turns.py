"""Long work takes turns in the event loop, and operations wait for room."""

from __future__ import annotations

import asyncio
import sys
import time

import pytest

from dasf_broker.concurrency.gate import Gate
from dasf_broker.concurrency.pauses import LATE, Pauses
from dasf_broker.concurrency.shares import current_share, working_for
from dasf_broker.concurrency.turns import FIELDS, Turns


async def _work(turns: Turns, share: str, steps: int, done: list[str]) -> None:
    with working_for(share):
        for _ in range(steps):
            await turns.wait()
            turns.is_over(FIELDS)
            done.append(share)


async def test_callers_alternate() -> None:
    """However many executions one caller has, another one gets every second turn."""
    turns, done = Turns(), list[str]()
    many = [_work(turns, "many", 10, done) for _ in range(10)]
    await asyncio.gather(*many, _work(turns, "one", 10, done))
    assert done[1:20:2] == ["one"] * 10 or done[0:20:2] == ["one"] * 10
    assert done.count("many") == 100


async def test_one_execution_is_resumed_in_each_turn_of_the_loop() -> None:
    """The loop gets to everything else between two of them."""
    turns, done, rounds = Turns(), list[str](), 0
    working = asyncio.gather(*(_work(turns, str(each), 5, done) for each in range(20)))
    while not working.done():
        before = len(done)
        await asyncio.sleep(0)
        rounds += 1
        assert len(done) - before <= 1
    assert rounds >= 100


async def test_a_turn_is_over_until_the_next_one() -> None:
    """What fits into a turn is counted for all executions together, and anew in each turn."""
    turns = Turns()
    assert not turns.is_over(FIELDS - 1)
    assert turns.is_over(1)
    await asyncio.sleep(0)
    assert not turns.is_over()


async def test_whoever_is_cancelled_makes_room() -> None:
    """In the queue, and when it was their turn already."""
    turns = Turns()
    for resumed in (0, 1):
        task = asyncio.create_task(turns.wait())
        for _ in range(resumed + 1):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    async with asyncio.timeout(1):
        await turns.wait()


class TooLateError(Exception):
    """Raised for operations that wait for too long."""


def _gate(seconds: float = 10) -> Gate:
    return Gate(most=3, per_share=2, timeout=lambda: seconds, late=TooLateError)


async def test_few_operations_of_one_caller_at_once() -> None:
    """Two of each, three of all; those that wait get in when others leave."""
    gate, inside, most = _gate(), 0, 0
    leave = asyncio.Event()

    async def operate(share: str) -> None:
        nonlocal inside, most
        async with gate.passed(share):
            inside += 1
            most = max(most, inside)
            await leave.wait()
            inside -= 1

    first = [asyncio.create_task(operate("a")) for _ in range(5)]
    await asyncio.sleep(0.01)
    assert inside == 2
    others = [asyncio.create_task(operate(each)) for each in "bcd"]
    await asyncio.sleep(0.01)
    assert inside == 3
    leave.set()
    await asyncio.gather(*first, *others)
    assert (inside, most) == (0, 3)


async def test_an_operation_that_waits_for_too_long() -> None:
    """It gets an error; its neighbours do not, and the room of those that left is free."""
    gate = _gate(0.05)
    async with gate.passed("a"), gate.passed("a"):
        with pytest.raises(TooLateError):
            async with gate.passed("a"):
                pass
        async with gate.passed("b"):
            pass
    for _ in range(3):
        async with gate.passed("a"):
            pass


async def test_an_operation_that_is_cancelled_while_it_waits() -> None:
    """It leaves no hole and takes no room."""
    gate = _gate()
    async with gate.passed("a"), gate.passed("a"):
        waiting = asyncio.create_task(gate.passed("a").__aenter__())
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
    async with gate.passed("a"), gate.passed("a"):
        pass


async def test_tasks_inherit_the_share_of_their_operation() -> None:
    """So do those of loaders; what is outside has none."""

    async def look() -> object:
        return current_share()

    with working_for("somebody"):
        task = asyncio.create_task(look())
    assert current_share() is None
    assert await task == "somebody"


async def test_a_busy_loop_pauses_while_threads_work() -> None:
    """As long as they do."""
    is_needed = True
    pauses = Pauses(lambda: is_needed)
    pauses.begin()
    while not pauses.count:
        time.sleep(4 * LATE)  # noqa: ASYNC251 - the loop is busy
        await asyncio.sleep(0)
    is_needed = False
    count = pauses.count
    for _ in range(10):
        time.sleep(4 * LATE)  # noqa: ASYNC251
        await asyncio.sleep(0)
    assert pauses.count <= count + 1


async def test_no_pauses_where_threads_take_turns_anyway(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python switches soon enough in a process that is tuned."""
    monkeypatch.setattr(sys, "getswitchinterval", lambda: 0.0003)
    pauses = Pauses(lambda: True)
    pauses.begin()
    for _ in range(10):
        time.sleep(4 * LATE)  # noqa: ASYNC251 - the loop is busy
        await asyncio.sleep(0)
    assert not pauses.count


async def test_pauses_are_a_small_part_of_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long each of them becomes on a machine with too much to do."""
    slept = 0.0

    def sleep_long(seconds: float) -> None:
        nonlocal slept
        began = time.perf_counter()
        real_sleep(20 * seconds)
        slept += time.perf_counter() - began

    real_sleep = time.sleep
    monkeypatch.setattr("dasf_broker.concurrency.pauses.time.sleep", sleep_long)
    pauses = Pauses(lambda: True)
    pauses.begin()
    began = time.perf_counter()
    while pauses.count < 4:
        real_sleep(2 * LATE)
        await asyncio.sleep(0)
    assert slept < (time.perf_counter() - began) / 3
