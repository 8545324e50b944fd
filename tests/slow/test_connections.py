"""Promise 12: twice 10,000 clients who come and go, however rudely, leave nothing behind."""

from __future__ import annotations

import pytest

from tests.endurance.test_connections import Running, check_that_nothing_is_left, running

__all__ = ["running"]


@pytest.mark.timeout(900)
async def test_nothing_is_left_behind(running: Running) -> None:
    """Tasks, descriptors, threads, groups and memory stay."""
    await check_that_nothing_is_left(running, visits=10_000)
