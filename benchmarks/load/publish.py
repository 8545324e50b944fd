"""Publishers over HTTP: one message a request, each sent when the one before was answered."""

from __future__ import annotations

import asyncio
import time

from benchmarks.load.command import Meter, Task, main, quantiles
from benchmarks.load.http import Http, value_in
from benchmarks.load.messages import Message


async def work(task: Task) -> dict[str, float]:
    """Measure publishes in a second, and how long they take."""
    connections = [await Http.connect(task) for _ in range(task["in_flight"])]
    begin = time.perf_counter() + task["warm_up"]
    end = begin + task["seconds"]
    answered: list[tuple[float, float]] = []
    async with asyncio.TaskGroup() as group:
        for http in connections:
            group.create_task(_publish(task, http, end, answered))
        await asyncio.sleep(task["warm_up"])
        meter = Meter(task)
        await asyncio.sleep(task["seconds"])
        measured = meter.stop()
    for http in connections:
        http.close()
    durations = [took for at, took in answered if begin <= at < end]
    return {
        **measured,
        **quantiles(durations),
        "published": len(durations),
        "rate": len(durations) / task["seconds"],
        "answered": len(answered),
    }


async def _publish(task: Task, http: Http, end: float, answered: list[tuple[float, float]]) -> None:
    while (begun := time.perf_counter()) < end:
        message = Message(len(answered))
        published = value_in(await http.post(message.body(task["publish"], task["topic"])))
        if published["status"] != "STORED" or published["message"]["messageId"] != message.id:
            raise ValueError(f"Not published: {published}")
        now = time.perf_counter()
        answered.append((now, now - begun))


if __name__ == "__main__":
    main(work)
