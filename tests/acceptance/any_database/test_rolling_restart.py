"""A rolling restart behind load loses nothing, and delivers nothing twice."""

from __future__ import annotations

import asyncio
import signal
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.acceptance.load import load
from tests.acceptance.servers import Server, site_for_several
from tests.acceptance.test_shutdown import PEOPLE, PROMISED, TOPICS, end


@pytest.mark.timeout(240)
async def test_two_servers_are_replaced(tmp_path: Path) -> None:
    """One after the other, while publishers and subscribers go on at the one that is left."""
    with site_for_several(tmp_path) as made, ExitStack() as stack:
        keys = made.prepare(TOPICS, PEOPLE)
        first, second = (stack.enter_context(made.server()) for _ in range(2))
        async with load([first, second], keys, publishers=6) as busy:
            ended = []
            for old in (first, second):
                new: Server = stack.enter_context(made.server())
                busy.servers.append(new)
                busy.servers.remove(old)
                ended.append(await end(old))
                await busy.until_more_is_answered(100)
            busy.end()
            await asyncio.wait_for(busy.check(made), PROMISED * 6)
    assert [status for _, status in ended] == [-signal.SIGTERM] * 2
    assert max(seconds for seconds, _ in ended) < PROMISED
    assert set(busy.codes) <= {1012, None}
    assert 1012 in busy.codes
