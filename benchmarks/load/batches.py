"""Publish batches of 100 messages over HTTP, as fast as they are answered."""

from __future__ import annotations

import asyncio
import time

from benchmarks.load.acknowledge import publish
from benchmarks.load.command import Meter, Task, main
from benchmarks.load.http import Http
from benchmarks.load.messages import Message


async def work(task: Task) -> dict[str, float]:
    """Measure messages in a second."""
    connections = [await Http.connect(task) for _ in range(task["in_flight"])]
    end = time.perf_counter() + task["warm_up"] + task["seconds"]
    stored = 0

    async def serve(http: Http) -> None:
        nonlocal stored
        while time.perf_counter() < end:
            batch = [Message(number) for number in range(task["batch"])]
            await publish(http, task["topic"], batch)
            stored += len(batch)

    async with asyncio.TaskGroup() as group:
        for http in connections:
            group.create_task(serve(http))
        await asyncio.sleep(task["warm_up"])
        meter, before = Meter(task), stored
        await asyncio.sleep(task["seconds"])
        counted = stored - before
        measured = meter.stop()
    for http in connections:
        http.close()
    return {
        **measured,
        "rate": counted / measured["seconds"],
        "messages": counted,
        "stored": stored,
    }


if __name__ == "__main__":
    main(work)
