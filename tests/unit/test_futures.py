"""Who waits is told in time, and once."""

from __future__ import annotations

import asyncio
from typing import Never

import pytest

from dasf_broker.concurrency.futures import reject, resolve, within
from dasf_broker.exceptions import UnavailableError


def _never() -> Never:
    raise AssertionError("nobody is late")


def _late() -> UnavailableError:
    return UnavailableError("late")


def _future() -> asyncio.Future[int]:
    return asyncio.get_running_loop().create_future()


async def test_what_comes_in_time() -> None:
    """It is returned, and what comes later changes nothing."""
    future = _future()
    resolve(future, 1)
    resolve(future, 2)
    reject(future, ValueError())
    assert await within(0, future, _never) == 1
    await asyncio.sleep(0)  # when its time would have been over


async def test_an_error_that_comes_in_time() -> None:
    """It is raised."""
    future = _future()
    reject(future, ValueError("no"))
    with pytest.raises(ValueError, match="no"):
        await within(60, future, _never)


async def test_what_comes_too_late() -> None:
    """It is nobody's any more."""
    future = _future()
    with pytest.raises(UnavailableError, match="late"):
        await within(0, future, _late)
    resolve(future, 1)
    reject(future, ValueError())


async def test_who_goes() -> None:
    """They take the future with them, and are not late."""
    future = _future()
    waiting = asyncio.create_task(within(60, future, _never))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert future.cancelled()
    resolve(future, 1)
