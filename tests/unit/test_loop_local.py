"""Each event loop has its own, and takes it with it."""

from __future__ import annotations

import asyncio
import gc
import weakref

from dasf_broker.concurrency.loop_local import LoopLocal


class Thing:
    """Something that is made."""


def test_each_loop_has_its_own() -> None:
    """The same one all the time, and another one for another loop."""
    things = LoopLocal(Thing)

    async def get_two() -> list[Thing]:
        return [things.get(), things.get()]

    first, again = asyncio.run(get_two())
    other, _ = asyncio.run(get_two())
    assert first is again
    assert other is not first


def test_it_goes_with_its_loop() -> None:
    """Nothing is left of a loop that is over."""
    things = LoopLocal(Thing)

    async def get() -> weakref.ref[Thing]:
        return weakref.ref(things.get())

    made = asyncio.run(get())
    gc.collect()
    assert made() is None
