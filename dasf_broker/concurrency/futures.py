"""Futures with a deadline, whose callers may have gone when they are done."""

from __future__ import annotations

from asyncio import Future
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


async def within(seconds: float, future: Future[T], late: Callable[[], Exception]) -> T:
    """Return what a future comes to.

    Parameters
    ----------
    seconds
        How long to wait, at most.
    future
        It has one caller: it ends with the time, or when the caller goes.
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
    """Set a future's result, unless its time is over or its caller has gone."""
    if not future.done():
        future.set_result(value)


def reject(future: Future[T], error: BaseException) -> None:
    """Set a future's exception, unless its time is over or its caller has gone."""
    if not future.done():
        future.set_exception(error)
