"""Many sockets with one subscription each, opened at once and then idle."""

from __future__ import annotations

import time

import psutil

from benchmarks.load.command import Meter, Task, fail_loudly, main
from benchmarks.load.fanout import DeliveryChecker, open_all, probe


async def work(task: Task) -> dict[str, float]:
    """Measure how long it takes until all are served, and what they take in memory."""
    fail_loudly()
    server = psutil.Process(task["pid"])
    # The first of them loads what all of them need.
    warm = {**task, "subscribers": task["warm_up_sockets"]}
    first = await open_all(warm, DeliveryChecker(warm["subscribers"], 1))
    await probe(task, first)
    before = server.memory_info().rss
    meter, begun = Meter(task), time.perf_counter()
    subscribers = await open_all(task, DeliveryChecker(task["subscribers"], 1))
    connected = time.perf_counter() - begun
    await probe(task, subscribers)
    measured = meter.stop()
    after = server.memory_info().rss
    for each in [*first, *subscribers]:
        each.transport.close()
    return {
        **measured,
        "connected": connected,
        "sockets": len(subscribers),
        "bytes": (after - before) / len(subscribers),
    }


if __name__ == "__main__":
    main(work)
