"""Long backlogs are streamed page by page, in flat memory, while live messages go on."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.clients import Http, http_client, sequence_of
from tests.acceptance.servers import Server, site
from tests.endurance.conftest import enduring
from tests.endurance.memory import resident_memory
from tests.endurance.wire import Wire

MEGABYTE = 1024 * 1024

#: Messages of each topic. `make test-slow` has ten times as many.
SIZES = {"long": 20_000, "dasf": 3000}

#: Seconds between live messages.
PACE = 0.05

#: Messages between looks at the memory.
STEP = 1000

#: Live messages that are read at the end.
LIVE = 20

MESSAGES = "subscription ($topic: String!) { messages(topic: $topic) { cursor } }"
PUBLISH = """
mutation ($topic: String!, $context: Int!) {
  publishMessage(input: {topic: $topic, context: $context}) { message { cursor } }
}
"""

#: Stores messages as they are after so many publishes. The context of each is its sequence.
_FILL = """
import json, sys, uuid
import django; django.setup()
from django.contrib.auth.models import User
from django.db import transaction
from dasf_broker.models import BrokerMessage, BrokerTopic
slug, count = json.load(sys.stdin)
topic, user = BrokerTopic.objects.get(slug=slug), User.objects.get(username="producer")
for first in range(1, count + 1, 5000):
    BrokerMessage.objects.bulk_create(
        BrokerMessage(
            topic=topic, message_id=uuid.UUID(int=number), sequence=number, user=user,
            message_type="request", context=number,
            content={"properties": {}, "payload": "bWVzc2FnZQ==", "context": number},
        )
        for number in range(first, min(first + 5000, count + 1))
    )
BrokerTopic.objects.filter(pk=topic.pk).update(last_sequence=count)
"""

Running = tuple[Server, dict[str, str]]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Return a server with backlogs, and the keys of a producer and a consumer."""
    with serving(tmp_path_factory.mktemp("site"), SIZES) as running:
        yield running


async def test_graphql(running: Running) -> None:
    """The backlog, and what is published meanwhile, comes in order without hole."""
    await read_over_graphql(running, SIZES["long"])


async def test_dasf(running: Running) -> None:
    """The same over the DASF protocol."""
    await read_over_dasf(running, SIZES["dasf"])


@contextmanager
def serving(folder: Path, sizes: Mapping[str, int]) -> Iterator[Running]:
    """Run a server whose topics have so many messages."""
    with site(folder) as made:
        topics = {slug: {"supports_dasf": False} for slug in sizes}  # nobody pings them
        keys = made.prepare(topics, {"producer": ["can_produce"], "consumer": ["can_consume"]})
        for slug, count in sizes.items():
            made.run("-c", _FILL, given=json.dumps([slug, count]))
        with enduring(made) as server:
            yield server, keys


async def read_over_graphql(running: Running, size: int) -> None:
    """Read the topic ``long``, which has so many messages."""
    server, keys = running
    async with _live_messages(running, "long", size) as live:
        wire = await Wire.connect(server.port)
        await wire.upgrade_to_graphql(keys["consumer"])
        wire.subscribe(MESSAGES, topic="long")
        await _stream(wire, running, _sequence_in_graphql, size, live)


async def read_over_dasf(running: Running, size: int) -> None:
    """Read the topic ``dasf``, which has so many messages."""
    server, keys = running
    async with _live_messages(running, "dasf", size) as live:
        wire = await Wire.connect(server.port)
        await wire.upgrade("/ws/dasf/consumer", Authorization=f"Token {keys['consumer']}")
        await _stream(wire, running, lambda frame: frame["context"], size, live)


class Live:
    """What is published while the backlog is read."""

    def __init__(self, http: Http, topic: str, backlog: int) -> None:
        self.published = 0
        self._http = http
        self._topic = topic
        self._backlog = backlog

    async def publish(self) -> None:
        """Publish for ever."""
        while True:
            context = self._backlog + self.published + 1
            await self._http.execute(PUBLISH, topic=self._topic, context=context)
            self.published += 1
            await asyncio.sleep(PACE)


@asynccontextmanager
async def _live_messages(running: Running, topic: str, backlog: int) -> AsyncIterator[Live]:
    server, keys = running
    async with http_client(server, keys["producer"]) as http, asyncio.TaskGroup() as group:
        live = Live(http, topic, backlog)
        publishing = group.create_task(live.publish())
        yield live
        publishing.cancel()


async def _stream(
    wire: Wire, running: Running, sequence: Callable[[Any], int], backlog: int, live: Live
) -> None:
    """Read the backlog and some live messages; nobody's memory may grow with the number."""
    processes = ("self", running[0].process.pid)
    at_first: list[int] = []
    received = 0
    while received < backlog + LIVE:
        received += 1
        assert sequence(json.loads(await wire.receive())) == received
        if received % STEP == 0:
            memory = [resident_memory(each) for each in processes]
            at_first = at_first or memory
            assert all(map(_is_flat, at_first, memory)), (received, at_first, memory)
        if received == backlog:
            assert live.published, "while the backlog was read"
    wire.drop()


def _is_flat(before: int, now: int) -> bool:
    return now - before < 30 * MEGABYTE


def _sequence_in_graphql(frame: Any) -> int:
    [message] = frame["payload"]["data"].values()
    return sequence_of(message)
