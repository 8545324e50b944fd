"""Producers and a consumer of the DASF websocket protocol.

Without ``acknowledges`` only publishing is measured. With it, a trip ends when the consumer has
sent its acknowledgement, which the protocol does not answer; the benchmark checks the database
afterwards.
"""

from __future__ import annotations

import asyncio
import base64
import json

from benchmarks.load.command import Task, fail_loudly, main
from benchmarks.load.messages import Message
from benchmarks.load.roundtrip import Trips, measure
from benchmarks.load.websocket import WebSocket


class DasfSocket(WebSocket):
    """A socket of the protocol, which begins without a greeting."""

    def __init__(self, task: Task, path: str, trips: Trips) -> None:
        super().__init__({**task, "socket_path": path})
        self.more = f"Authorization: Token {task[self.who]}\r\n"
        self._trips = trips
        self._acknowledges = task["acknowledges"]

    def on_open(self) -> None:
        """Be ready."""
        self.opened.set_result(None)


class Producer(DasfSocket):
    """Publishes; each answer must be ``ok``."""

    who = "producer"

    def publish(self, message: Message) -> None:
        """Publish a message."""
        properties = {"messageType": "request"}
        self.send({"messageId": message.id, "properties": properties, "payload": _payload(message)})

    def on_text(self, payload: bytes) -> None:
        """Check an answer."""
        answer = json.loads(payload)
        if answer["result"] != "ok":
            raise ValueError(f"Not published: {answer}")
        if not self._acknowledges:
            message_id = answer["messageId"]
            self._trips.delivered[message_id] = self._trips.begun[message_id][0].data
            self._trips.finish(message_id)


class Consumer(DasfSocket):
    """Acknowledges the messages that it receives."""

    def on_text(self, payload: bytes) -> None:
        """Take a message."""
        envelope = json.loads(payload)
        if envelope["properties"].get("messageType") != "request":
            return  # the broker asks for the name of the client
        message_id = envelope["messageId"]
        self._trips.delivered[message_id] = json.loads(base64.b64decode(envelope["payload"]))
        self.send({"messageId": message_id})
        self._trips.finish(message_id)


async def work(task: Task) -> dict[str, float]:
    """Measure publishes or round trips in a second, and how long they take."""
    fail_loudly()
    trips = Trips()
    if task["acknowledges"]:
        path = f"/ws/{task['topic']}/backend-module-2026-01-01T10:00:00"
        await Consumer(task, path, trips).connect()
    path = f"/ws/{task['topic']}"
    producers = [await Producer(task, path, trips).connect() for _ in range(task["sockets"])]
    turn = _Turn(producers)
    trips.publish = turn.publish
    await asyncio.sleep(task["settle"])  # a subscription says nothing when it has begun
    return await measure(task, trips)


class _Turn:
    """Lets one producer after the other publish."""

    def __init__(self, producers: list[Producer]) -> None:
        self._producers = producers
        self._count = 0

    def publish(self, message: Message) -> None:
        self._count += 1
        self._producers[self._count % len(self._producers)].publish(message)


def _payload(message: Message) -> str:
    return base64.b64encode(json.dumps(message.data).encode()).decode()


if __name__ == "__main__":
    main(work)
