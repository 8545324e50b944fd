"""Reads that are shared by those who need them at the same time."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Collection

import pytest

from dasf_broker import database
from dasf_broker.concurrency import batching
from dasf_broker.concurrency.lookup import Lookup
from dasf_broker.exceptions import UnavailableError

pytestmark = pytest.mark.django_db(transaction=True)


class Shelf:
    """Something that is read slowly, and counts how often."""

    def __init__(self) -> None:
        self.reads: list[list[int]] = []
        self.may_read = threading.Event()
        self.may_read.set()
        self.is_broken = False

    def load(self, keys: Collection[int]) -> dict[int, str]:
        """Return the text of each key but 0."""
        self.reads.append(sorted(keys))
        assert self.may_read.wait(timeout=10)
        if self.is_broken:
            raise UnavailableError("no database")
        return {key: str(key) for key in keys if key}


@pytest.fixture
def shelf() -> Shelf:
    """Return what is read."""
    return Shelf()


def _lookup(shelf: Shelf) -> Lookup[int, str]:
    return Lookup(database.READING, shelf.load, database.is_outage)


async def test_each_gets_their_own(shelf: Shelf) -> None:
    """A key that has no value gets nothing."""
    shared = _lookup(shelf)
    assert await asyncio.gather(*map(shared.get, [1, 0, 2])) == ["1", None, "2"]


async def test_who_waits_shares_the_next_read(shelf: Shelf) -> None:
    """While one read runs the others gather, and the same key is read once."""
    shared = _lookup(shelf)
    shelf.may_read.clear()
    first = asyncio.create_task(shared.get(1))
    while not shelf.reads:  # noqa: ASYNC110 - the thread rings no bell
        await asyncio.sleep(0.001)
    others = [asyncio.create_task(shared.get(key)) for key in (2, 3, 3, 1)]
    await asyncio.sleep(0)
    shelf.may_read.set()
    assert await asyncio.gather(first, *others) == ["1", "2", "3", "3", "1"]
    assert shelf.reads == [[1], [1, 2, 3]]


async def test_nothing_is_remembered(shelf: Shelf) -> None:
    """Who asks later is answered from the database again."""
    shared = _lookup(shelf)
    for _ in range(2):
        assert await shared.get(1) == "1"
    assert shelf.reads == [[1], [1]]


async def test_reads_are_bounded(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many ask, one read takes so many."""
    monkeypatch.setattr(batching, "BOUNDS", batching.Bounds(items=10))
    shared = _lookup(shelf)
    found = await asyncio.gather(*map(shared.get, range(1, 26)))
    assert found == [str(key) for key in range(1, 26)]
    assert [len(each) for each in shelf.reads] == [10, 10, 5]


async def test_failure_is_told_to_all_who_waited(shelf: Shelf) -> None:
    """And the next who ask are served again."""
    shared = _lookup(shelf)
    shelf.is_broken = True
    failed = await asyncio.gather(*map(shared.get, [1, 2]), return_exceptions=True)
    assert [type(each) for each in failed] == [UnavailableError, UnavailableError]
    shelf.is_broken = False
    assert await shared.get(1) == "1"


async def test_who_goes_takes_nobody_along(shelf: Shelf) -> None:
    """One of two who wait for the same key may give up."""
    shared = _lookup(shelf)
    shelf.may_read.clear()
    impatient, patient = (asyncio.create_task(shared.get(1)) for _ in range(2))
    await asyncio.sleep(0)
    impatient.cancel()
    shelf.may_read.set()
    assert await patient == "1"
    assert impatient.cancelled()
