"""Many subscribers of one topic, and a few publishers that keep some messages in flight.

Every delivery is checked: the first frame of each message is read and compared with what was
published, and what the other subscribers get must be the same, byte by byte and in one order.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from typing import Any

from benchmarks.load.command import Meter, Task, fail_loudly, main
from benchmarks.load.http import Http
from benchmarks.load.messages import Message
from benchmarks.load.websocket import TEXT, WebSocket, read_frame

#: Connections opened at a time.
OPENING = 50

#: Seconds until all subscribers must have all messages.
PATIENCE = 20.0


class DeliveryChecker:
    """Checks the frames of published messages, and counts their deliveries."""

    def __init__(self, subscribers: int, window: int) -> None:
        self.frames: list[bytes] = []
        self.published: dict[str, Message] = {}
        self.number = 0
        self.deliveries = 0
        self.missing = 0
        self._subscribers = subscribers
        self._most_missing = subscribers * window
        self._waiting: list[asyncio.Future[None]] = []

    def new_message(self) -> Message:
        """Return the next message, from now on expected by all."""
        self.number += 1
        message = Message(self.number)
        self.published[message.id] = message
        self.missing += self._subscribers
        return message

    def learn(self, place: int, payload: bytes, frame: bytes) -> None:
        """Note the frame at a place in the order, which must be of a message not seen yet."""
        if place < len(self.frames):
            raise ValueError(f"Not what the others got: {frame!r}")
        message = message_in(payload)
        if message["data"] != self.published.pop(message["messageId"]).data:
            raise ValueError(f"Not what was published: {payload!r}")
        self.frames.append(frame)

    def count(self, deliveries: int) -> None:
        """Note deliveries; let publishers go on."""
        self.deliveries += deliveries
        self.missing -= deliveries
        while self._waiting and self.missing < self._most_missing:
            waiting = self._waiting.pop(0)
            if not waiting.done():
                waiting.set_result(None)

    async def wait_for_room(self) -> None:
        """Wait until fewer messages are under way than there may be."""
        while self.missing >= self._most_missing:
            self._waiting.append(asyncio.get_running_loop().create_future())
            await self._waiting[-1]


class Subscriber(WebSocket):
    """One subscriber."""

    def __init__(self, task: Task, checker: DeliveryChecker) -> None:
        super().__init__(task)
        self._board = checker
        self._place = 0
        #: The number of the last probe that came; 0 before the first.
        self.probe = 0
        self._is_serious = False

    def begin(self) -> None:
        """From now on count."""
        self._is_serious = True

    def on_text(self, payload: bytes) -> None:
        """Take a probe, or what belongs to the protocol."""
        if self.opened.done():
            self.probe = message_in(payload)["data"]["number"]
        else:
            super().on_text(payload)
            variables = {"topic": self._task["topic"]}
            request = {"query": self._task["subscribe"], "variables": variables}
            self.send({"id": "1", "type": "subscribe", "payload": request})

    def consume(self, data: bytes) -> int:
        """Compare what came with what the others got."""
        if not self._is_serious:
            return super().consume(data)
        checker, place, at, size = self._board, self._place, 0, len(data)
        frames = checker.frames
        while at < size:
            if place < len(frames) and data.startswith(frames[place], at):
                at += len(frames[place])
                place += 1
                continue
            if (frame := read_frame(data, at)) is None:
                break
            opcode, start, end = frame
            if opcode != TEXT:
                self.take(opcode, data[start:end])
            else:
                checker.learn(place, data[start:end], data[at:end])
                place += 1
            at = end
        checker.count(place - self._place)
        self._place = place
        return at


def message_in(payload: bytes) -> Any:
    """Return the message of a frame."""
    frame = json.loads(payload)
    if frame["type"] != "next" or "errors" in frame["payload"]:
        raise ValueError(f"Not a message: {payload!r}")
    [message] = frame["payload"]["data"].values()
    return message


async def work(task: Task) -> dict[str, float]:
    """Measure deliveries in a second."""
    fail_loudly()
    checker = DeliveryChecker(task["subscribers"], task["window"])
    subscribers = await open_all(task, checker)
    async with asyncio.timeout(60):
        await probe(task, subscribers)
    for each in subscribers:
        each.begin()
    publishers = [await Http.connect(task) for _ in range(task["publishers"])]
    loop = asyncio.get_running_loop()
    end = loop.time() + task["warm_up"] + task["seconds"]
    async with asyncio.TaskGroup() as group:
        for http in publishers:
            group.create_task(_publish(task, checker, http, end))
        await asyncio.sleep(task["warm_up"])
        meter, before = Meter(task), checker.deliveries
        await asyncio.sleep(task["seconds"])
        measured = meter.stop()
        deliveries = checker.deliveries - before
    await _see_through(checker)
    for subscriber in subscribers:
        subscriber.transport.close()
    for publisher in publishers:
        publisher.close()
    return {
        **measured,
        "deliveries": deliveries,
        "rate": deliveries / measured["seconds"],
        "checked": checker.deliveries,
        "messages": len(checker.frames),
    }


async def open_all(task: Task, checker: DeliveryChecker) -> list[Subscriber]:
    """Open all sockets, a few at a time."""
    slots = asyncio.Semaphore(OPENING)

    async def open_one(port: int) -> Subscriber:
        async with slots:
            return await Subscriber({**task, "port": port}, checker).connect()

    # Evenly over the servers, if there are several.
    ports = itertools.cycle(task.get("ports", [task["port"]]))
    chosen = itertools.islice(ports, task["subscribers"])
    return await asyncio.gather(*(open_one(port) for port in chosen))


async def probe(task: Task, subscribers: list[Subscriber]) -> None:
    """Return when all subscribers get messages: the protocol does not say when that is."""
    http, number = await Http.connect(task), 0
    while number == 0 or any(each.probe != number for each in subscribers):
        if not all(each.probe for each in subscribers):
            number += 1
            await http.post(_body(task, Message(number)))
        for _ in range(task.get("looks", 100)):
            if all(each.probe == number for each in subscribers):
                break
            await asyncio.sleep(0.02)
    http.close()


async def _publish(task: Task, checker: DeliveryChecker, http: Http, end: float) -> None:
    loop = asyncio.get_running_loop()
    while loop.time() < end:
        await checker.wait_for_room()
        answer = await http.post(_body(task, checker.new_message()))
        if b'"errors"' in answer:
            raise ValueError(answer.decode())


def _body(task: Task, message: Message) -> bytes:
    publish = task.get("publish")
    return message.body(publish, task["topic"]) if publish else message.frame()


async def _see_through(checker: DeliveryChecker) -> None:
    # Those are not measured, but none of them may be missing.
    end = asyncio.get_running_loop().time() + PATIENCE
    while checker.missing:
        if asyncio.get_running_loop().time() > end:
            never = [message.data["number"] for message in checker.published.values()]
            raise ValueError(
                f"{checker.missing} deliveries are missing, {checker.deliveries} came; no "
                f"subscriber got {never} of {checker.number} messages"
            )
        await asyncio.sleep(0.01)


if __name__ == "__main__":
    main(work)
