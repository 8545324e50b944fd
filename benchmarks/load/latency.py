"""Messages at a fixed rate to some subscribers: the latency of each delivery.

The time counts from when a message was due, so that a server that holds up the publisher does
not look better for it.
"""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

from benchmarks.load.command import Meter, Task, fail_loudly, main, quantiles
from benchmarks.load.messages import Message
from benchmarks.load.roundtrip import PATIENCE, Producer
from benchmarks.load.websocket import WebSocket


class Clock:
    """What was published when, and how long each delivery took."""

    def __init__(self) -> None:
        self.due: dict[str, tuple[float, Any]] = {}
        self.durations: list[float] = []


class Subscriber(WebSocket):
    """Compares and times what it gets."""

    def __init__(self, task: Task, clock: Clock) -> None:
        super().__init__(task)
        self._clock = clock
        self.number = 0

    def on_text(self, payload: bytes) -> None:
        """Take a message."""
        now = time.perf_counter()
        if not self.opened.done():
            super().on_text(payload)
            request = {
                "query": self._task["subscribe"],
                "variables": {"topic": self._task["topic"]},
            }
            self.send({"id": "1", "type": "subscribe", "payload": request})
            return
        [message] = json.loads(payload)["payload"]["data"].values()
        due, data = self._clock.due[message["messageId"]]
        if message["data"] != data or data["number"] != self.number:
            raise ValueError(f"Not what comes next: {payload!r}")
        self.number += 1
        self._clock.durations.append(now - due)


async def work(task: Task) -> dict[str, float]:
    """Measure the time from the moment that a message is due to its delivery."""
    fail_loudly()
    clock, ports = Clock(), task.get("ports", [task["port"]])
    subscribers = [
        await Subscriber({**task, "port": ports[number % len(ports)]}, clock).connect()
        for number in range(task["subscribers"])
    ]
    producer = await Producer(task).connect()
    await asyncio.sleep(task["settle"])  # a subscription says nothing when it has begun
    total = round(task["rate"] * task["seconds"])
    meter, begun = Meter(task), time.perf_counter()
    for number in range(total):
        due = begun + number / task["rate"]
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        message = Message(number)
        clock.due[message.id] = (due, message.data)
        producer.publish(message)
    measured = meter.stop()
    patience = time.perf_counter() + PATIENCE
    while any(each.number < total for each in subscribers):
        if time.perf_counter() > patience:
            raise ValueError(
                f"Not delivered: {sorted(total - each.number for each in subscribers)}"
            )
        await asyncio.sleep(0.01)
    return {**measured, **quantiles(clock.durations), "deliveries": len(clock.durations)}


if __name__ == "__main__":
    main(work)
