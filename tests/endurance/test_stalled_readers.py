"""Promises 7 and 8: readers that stall lose nothing, or are told how much they lost.

`make test-slow` shows that they cost little memory and delay nobody.
"""

from __future__ import annotations

import asyncio
import itertools
import statistics
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.acceptance.clients import Http, http_client, sequence_of
from tests.acceptance.servers import Server, site
from tests.endurance.conftest import enduring, until
from tests.endurance.memory import resident_memory
from tests.endurance.wire import Wire

STALLED, READERS = 10, 5
TOPICS = ("stored", "unstored")
MEGABYTE = 1024 * 1024

#: What fills all buffers: sockets' send buffers take 4 MiB, mailboxes as much again.
FLOOD = 160
LARGE = "x" * 64 * 1024
SMALL = "x" * 100
LAST = "the end"

#: A round's measurement: seconds between publishes, and how many; each tenth is large.
PACE, SAMPLES = 0.02, 150

PUBLISH = """
mutation ($topic: String!, $text: String!) {
  publishMessage(input: {topic: $topic, text: $text}) { message { cursor } }
}
"""
MESSAGES = """
subscription ($topic: String!) {
  messages(topic: $topic) { cursor missed text }
}
"""

#: The server waits for the stalled ones, longer than a round takes.
PATIENT = ("--ws-ping-interval", "1000", "--ws-ping-timeout", "1000")

Keys = dict[str, str]


@dataclass
class Load:
    """A server under load, and what its readers observe."""

    server: Server
    keys: Keys
    http: Http
    #: Messages of each topic that were received by all readers together.
    received: dict[str, int] = field(default_factory=lambda: dict.fromkeys(TOPICS, 0))
    published: dict[str, int] = field(default_factory=lambda: dict.fromkeys(TOPICS, 0))
    latencies: list[float] = field(default_factory=list)

    async def publish(self, topic: str, filling: str) -> None:
        """Publish a message that says when it was published."""
        text = f"{time.monotonic()} {filling}"
        self.published[topic] += 1
        await self.http.execute(PUBLISH, topic=topic, text=text)

    async def read(self, wire: Wire, topic: str) -> None:
        """Read for ever, and note how long each message took."""
        while True:
            message = await wire.next_value()
            self.latencies.append(time.monotonic() - float(message["text"].split(" ", 1)[0]))
            assert message["missed"] == 0
            self.received[topic] += 1

    async def flood(self, count: int = FLOOD) -> int:
        """Publish more than all buffers take; return the most memory that it took."""
        most = 0
        for _ in range(count // 4):
            await asyncio.gather(*(self.publish(topic, LARGE) for topic in TOPICS * 4))
            most = max(most, resident_memory(self.server.process.pid))
        await self._until_all_is_received()
        return most

    async def measure(self) -> float:
        """Publish at an even pace; return the 99th percentile of the seconds to the readers."""
        self.latencies.clear()
        for index in range(SAMPLES):
            filling = SMALL if index % 10 else LARGE
            publishing = [self.publish(topic, filling) for topic in TOPICS]
            await asyncio.gather(asyncio.sleep(PACE), *publishing)
        await self._until_all_is_received()
        assert len(self.latencies) == SAMPLES * READERS * len(TOPICS)
        return statistics.quantiles(self.latencies, n=100)[-1]

    async def _until_all_is_received(self) -> None:
        async with asyncio.timeout(30):
            for topic in TOPICS:
                while self.received[topic] < self.published[topic] * READERS:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)


@pytest.fixture
def running(tmp_path: Path) -> Iterator[tuple[Server, Keys]]:
    """Return a server with a topic of either kind, and the keys of a producer and a consumer."""
    with site(tmp_path) as made:
        keys = made.prepare(
            {"stored": {"store_messages": "store"}, "unstored": {"store_messages": "disabled"}},
            {"producer": ["can_produce"], "consumer": ["can_consume"]},
        )
        with enduring(made, *PATIENT, SEND_TIMEOUT="1000") as server:
            yield server, keys


async def test_waking_up(running: tuple[Server, Keys]) -> None:
    """On the stored topic everything comes, in order; on the other the loss is counted exactly."""
    async with load_on(*running) as load, stalled_on(load) as stalled:
        await load.flood()
        for topic in TOPICS:
            await load.publish(topic, LAST)
        complete = [*range(1, load.published["stored"] + 1)]
        for sequences, missed in await asyncio.gather(*map(_read_all, stalled["stored"])):
            assert (sequences, missed) == (complete, 0)
        for received, missed in await asyncio.gather(*map(_read_all, stalled["unstored"])):
            assert missed > 0
            assert len(received) + missed == load.published["unstored"]


@asynccontextmanager
async def load_on(server: Server, keys: Keys) -> AsyncIterator[Load]:
    """Listen to the topics with readers that keep up."""
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(http_client(server, keys["producer"]))
        load = Load(server, keys, http)
        group = await stack.enter_async_context(asyncio.TaskGroup())
        tasks = []
        for topic in TOPICS:
            for _ in range(READERS):
                wire = await _listen(server, keys["consumer"], topic)
                stack.callback(wire.drop)
                tasks.append(group.create_task(load.read(wire, topic)))
        await until(server, lambda vitals: vitals["mailboxes"] == READERS * len(TOPICS))
        yield load
        for task in tasks:
            task.cancel()


@asynccontextmanager
async def stalled_on(load: Load) -> AsyncIterator[dict[str, list[Wire]]]:
    """Listen to the topics with as many readers that do not read."""
    server, key = load.server, load.keys["consumer"]
    stalled: dict[str, list[Wire]] = {topic: [] for topic in TOPICS}
    for topic in TOPICS:
        for _ in range(STALLED):
            wire = await _listen(server, key, topic, receive_buffer=4096)
            wire.stop_reading()
            stalled[topic].append(wire)
    everybody = (READERS + STALLED) * len(TOPICS)
    await until(server, lambda vitals: vitals["mailboxes"] == everybody)
    try:
        yield stalled
    finally:
        for wire in itertools.chain(*stalled.values()):
            wire.drop()


async def _listen(
    server: Server, key: str, topic: str, *, receive_buffer: int | None = None
) -> Wire:
    wire = await Wire.connect(server.port, receive_buffer=receive_buffer)
    await wire.upgrade_to_graphql(key)
    wire.subscribe(MESSAGES, topic=topic)
    return wire


async def _read_all(wire: Wire) -> tuple[list[int | None], int]:
    """Read on until the end; return the sequences, and how many were missed before any."""
    wire.read_again()
    sequences, missed, text = [], 0, ""
    async with asyncio.timeout(60):
        while not text.endswith(LAST):
            message = await wire.next_value()
            text = message["text"]
            missed += message["missed"]
            sequences.append(sequence_of(message) if message["cursor"] else None)
    return sequences, missed
