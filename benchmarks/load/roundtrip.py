"""One producer and one consumer: publish, deliver, acknowledge, over ``graphql-transport-ws``."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

from benchmarks.load.command import Meter, Task, fail_loudly, main, quantiles
from benchmarks.load.messages import FOLLOW, PUBLISH, Message
from benchmarks.load.websocket import WebSocket

ACKNOWLEDGE = """
mutation Acknowledge($topic: String!, $id: UUID!) {
  acknowledgeMessage(topic: $topic, messageId: $id) { messageId status removed }
}
"""
PATIENCE = 20.0


class Producer(WebSocket):
    """Publishes; each answer must say that the message is stored."""

    who = "producer"

    def publish(self, message: Message) -> None:
        """Publish a message."""
        variables = message.variables(self._task["topic"])
        payload = {"query": PUBLISH, "variables": variables}
        self.send({"id": message.id, "type": "subscribe", "payload": payload})

    def on_text(self, payload: bytes) -> None:
        """Check an answer."""
        if not self.opened.done():
            super().on_text(payload)
        elif (value := value_of(payload)) is not None and value["status"] != "STORED":
            raise ValueError(f"Not published: {payload!r}")


class Consumer(WebSocket):
    """Acknowledges the messages that it receives, and reports each answer."""

    def __init__(self, task: Task, finish: Callable[[str], None]) -> None:
        super().__init__(task)
        self._finish = finish
        self.delivered: dict[str, Any] = {}

    def on_text(self, payload: bytes) -> None:
        """Take a message or the answer to an acknowledgement."""
        if not self.opened.done():
            super().on_text(payload)
            self._subscribe("1", FOLLOW)
        elif (value := value_of(payload)) is None:
            return
        elif "data" in value:
            self.delivered[value["messageId"]] = value["data"]
            self._subscribe(value["messageId"], ACKNOWLEDGE, id=value["messageId"])
        elif value["status"] != "ACKNOWLEDGED" or not value["removed"]:
            raise ValueError(f"Not acknowledged: {payload!r}")
        else:
            self._finish(value["messageId"])

    def _subscribe(self, operation: str, query: str, **variables: Any) -> None:
        variables["topic"] = self._task["topic"]
        payload = {"query": query, "variables": variables}
        self.send({"id": operation, "type": "subscribe", "payload": payload})


def value_of(payload: bytes) -> Any:
    """Return the value of the root field of a frame, or nothing at the end of an operation."""
    frame = json.loads(payload)
    if frame["type"] == "complete":
        return None
    if frame["type"] != "next" or "errors" in frame["payload"]:
        raise ValueError(f"Refused: {payload!r}")
    [value] = frame["payload"]["data"].values()
    return value


class Trips:
    """The messages on their way, and how long the others took."""

    def __init__(self) -> None:
        self.begun: dict[str, tuple[Message, float]] = {}
        self.ended: list[tuple[float, float]] = []
        self.is_ending = False
        self.delivered: dict[str, Any] = {}
        self.publish: Callable[[Message], None]

    def begin(self) -> None:
        """Send one more message on its way."""
        message = Message(len(self.ended) + len(self.begun))
        self.begun[message.id] = (message, time.perf_counter())
        self.publish(message)

    def finish(self, message_id: str) -> None:
        """Note that a message is done with; send the next."""
        message, begun = self.begun.pop(message_id)
        if self.delivered.pop(message_id) != message.data:
            raise ValueError(f"Not what was published: {message_id}")
        now = time.perf_counter()
        self.ended.append((now, now - begun))
        if not self.is_ending:
            self.begin()


async def measure(task: Task, trips: Trips) -> dict[str, float]:
    """Keep some messages on their way; return what was measured."""
    begin = time.perf_counter() + task["warm_up"]
    for _ in range(task["in_flight"]):
        trips.begin()
    await asyncio.sleep(task["warm_up"])
    meter = Meter(task)
    await asyncio.sleep(task["seconds"])
    end = time.perf_counter()
    measured = meter.stop()
    trips.is_ending = True
    patience = end + PATIENCE
    while trips.begun:
        if time.perf_counter() > patience:
            raise ValueError(f"Never done with: {list(trips.begun)}")
        await asyncio.sleep(0.01)
    durations = [took for at, took in trips.ended if begin <= at < end]
    return {
        **measured,
        **quantiles(durations),
        "trips": len(durations),
        "rate": len(durations) / measured["seconds"],
        "ended": len(trips.ended),
    }


async def work(task: Task) -> dict[str, float]:
    """Measure round trips in a second, and how long they take."""
    fail_loudly()
    trips = Trips()
    consumer = await Consumer(task, trips.finish).connect()
    producer = await Producer(task).connect()
    trips.delivered, trips.publish = consumer.delivered, producer.publish
    await asyncio.sleep(task["settle"])  # a subscription says nothing when it has begun
    return await measure(task, trips)


if __name__ == "__main__":
    main(work)
