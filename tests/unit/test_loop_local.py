"""Each event loop has its own, and takes it with it."""

from __future__ import annotations

import asyncio
import gc
import weakref

from dasf_broker.concurrency.loop_local import PerLoop


class Thing:
    """Something that is made."""


def test_each_loop_has_its_own() -> None:
    """The same one all the time, and another one for another loop."""
    things = PerLoop(Thing)

    async def get_two() -> list[Thing]:
        return [things.get(), things.get()]

    first, again = asyncio.run(get_two())
    other, _ = asyncio.run(get_two())
    assert first is again
    assert other is not first


def test_it_goes_with_its_loop() -> None:
    """Nothing is left of a loop that is over."""
    things = PerLoop(Thing)

    async def get() -> weakref.ref[Thing]:
        return weakref.ref(things.get())

    made = asyncio.run(get())
    gc.collect()
    assert made() is None


async def test_looking_makes_nothing() -> None:
    """What is there can be seen and taken; what is not there is not made for that."""
    things = PerLoop(Thing)
    assert things.peek() is None
    assert things.take() is None
    made = things.get()
    assert things.peek() is made
    assert things.take() is made
    assert things.peek() is None
