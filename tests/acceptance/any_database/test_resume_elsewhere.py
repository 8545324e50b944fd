"""Who resumes at another server misses nothing and gets nothing twice."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.acceptance.servers import site_for_several
from tests.endurance.resuming import TOPIC, Publisher, Reader, check

pytestmark = pytest.mark.timeout(180)

STEP = 200


async def test_switch_of_servers(tmp_path: Path) -> None:
    """Readers go from server to server, while these are killed and replaced one by one."""
    with site_for_several(tmp_path) as made, ExitStack() as stack:
        keys = made.prepare(
            {TOPIC: {"store_messages": "store"}},
            {"producer": ["can_produce"], "consumer": ["can_consume"]},
        )
        servers = [stack.enter_context(made.server()) for _ in range(2)]
        publisher = Publisher(servers, keys["producer"])
        readers = [Reader(servers, keys["consumer"]) for _ in range(3)]
        async with asyncio.TaskGroup() as group:
            publishing = group.create_task(publisher.run())
            reading = [group.create_task(each.run()) for each in readers]
            for number in (1, 0, 1):
                await readers[0].until(len(readers[0].received) + STEP)
                await asyncio.to_thread(servers[number].kill)
                servers[number] = await asyncio.to_thread(stack.enter_context, made.server())
            await readers[0].until(len(readers[0].received) + STEP)
            publishing.cancel()
            for reader in readers:
                await reader.until(max(publisher.answered))
            for task in reading:
                task.cancel()
    for reader in readers:
        check(publisher, reader)
