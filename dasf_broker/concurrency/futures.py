"""Futures that somebody waits for: not for ever, and perhaps no longer when it is done."""

from __future__ import annotations

from asyncio import Future
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


async def in_time(future: Future[T], seconds: float, late: Callable[[], Exception]) -> T:
    """Return what a future comes to.

    Parameters
    ----------
    future
        It is nobody else's: it ends with the time, or with whoever waits.
    seconds
        How long to wait, at most.
    late
        Makes the error that is raised then. It is not called otherwise.
    """

    def expire() -> None:
        if not future.done():
            future.set_exception(late())

    # Not `asyncio.timeout`, which costs several times as much, and on every request.
    timer = future.get_loop().call_later(seconds, expire)
    try:
        return await future
    finally:
        timer.cancel()


def answer(future: Future[T], value: T) -> None:
    """Give who waits a value, unless their time is over or they have gone."""
    if not future.done():
        future.set_result(value)


def fail(future: Future[T], error: BaseException) -> None:
    """Give who waits an error, unless their time is over or they have gone."""
    if not future.done():
        future.set_exception(error)
