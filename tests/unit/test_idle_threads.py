"""Threads without work rest, and give back what they do not need meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Iterator
from typing import TypeVar

import pytest

from dasf_broker.concurrency.threads import ThreadPool
from tests.operations.streams import until

T = TypeVar("T")


class Hooks:
    """The owner's part of a pool, which writes down when its threads rest."""

    size = 2
    timeout = 30.0

    def __init__(self, idle_seconds: float | None) -> None:
        self.idle_seconds = idle_seconds
        self.rested: list[threading.Thread] = []

    def call(self, function: Callable[[], T]) -> T:
        """Call the function."""
        return function()

    def divert(self, *_: Callable[[], None]) -> bool:
        """Work in threads."""
        return False

    def is_locked(self, _: BaseException) -> bool:
        """Have no locks."""
        return False

    def find_locked(self, *_: object) -> list[Hashable]:
        """Have no locks."""
        return []

    def rest(self) -> None:
        """Note who rests."""
        self.rested.append(threading.current_thread())

    def end(self) -> None:
        """Have nothing to free."""

    def not_done(self) -> Exception:
        """Return an error that nobody expects."""
        return AssertionError()

    unfinished = throttled = not_done


@pytest.fixture
def ended() -> Iterator[list[ThreadPool]]:
    """Return a list of pools that are ended after the test."""
    pools: list[ThreadPool] = []
    yield pools
    for pool in pools:
        for thread in pool.end():
            thread.join(10)


async def test_a_thread_without_work_rests_once(ended: list[ThreadPool]) -> None:
    """It works again when there is something to do, and then rests again."""
    hooks = Hooks(idle_seconds=0.01)
    pool = ThreadPool("test", hooks)
    ended.append(pool)
    for number in range(1, 4):
        worked = await pool.run(threading.current_thread)
        await until(lambda: not pool.is_busy() and len(hooks.rested) >= number)  # noqa: B023 - now
        assert hooks.rested == [worked] * number


async def test_a_thread_that_has_nothing_to_give_back(ended: list[ThreadPool]) -> None:
    """It waits for work, and is not woken for nothing."""
    hooks = Hooks(idle_seconds=None)
    pool = ThreadPool("test", hooks)
    ended.append(pool)
    assert [await pool.run(int) for _ in range(100)] == [0] * 100
    assert hooks.rested == []
