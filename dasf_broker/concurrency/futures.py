"""Futures with a deadline. Their callers may be cancelled before they are done."""

from __future__ import annotations

from asyncio import Future
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


async def within(seconds: float, future: Future[T], late: Callable[[], Exception]) -> T:
    """Return the result of a future, within some seconds.

    Parameters
    ----------
    seconds
        How long to wait, at most.
    future
        It has one caller: it is cancelled when the time is over or the caller is cancelled.
    late
        Makes the error that is raised when the time is over. It is not called otherwise.
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


def resolve(future: Future[T], value: T) -> None:
    """Set a future's result, unless its time is over or its caller is cancelled."""
    if not future.done():
        future.set_result(value)


def reject(future: Future[T], error: BaseException) -> None:
    """Set a future's exception, unless its time is over or its caller is cancelled."""
    if not future.done():
        future.set_exception(error)
