"""Long backlogs are streamed page by page, in flat memory, while live messages go on."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.acceptance.clients import Http, http_client, sequence_of
from tests.acceptance.servers import Server, site
from tests.endurance.conftest import enduring
from tests.endurance.vitals import resident_memory
from tests.endurance.wire import Wire

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(900)]

MEGABYTE = 1024 * 1024
SIZES = {"long": 200_000, "dasf": 30_000}

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
    with site(tmp_path_factory.mktemp("site")) as made:
        keys = made.prepare(
            {slug: {} for slug in SIZES}, {"producer": ["can_produce"], "consumer": ["can_consume"]}
        )
        for slug, count in SIZES.items():
            made.run("-c", _FILL, given=json.dumps([slug, count]))
        with enduring(made) as server:
            yield server, keys


async def test_graphql(running: Running) -> None:
    """200,000 messages, and those published meanwhile, come in order without hole."""
    server, keys = running
    async with _live_messages(running, "long") as live:
        wire = await Wire.connect(server.port)
        await wire.upgrade_to_graphql(keys["consumer"])
        wire.subscribe(MESSAGES, topic="long")
        await _stream(wire, running, _sequence_in_graphql, SIZES["long"], live)


async def test_dasf(running: Running) -> None:
    """The same over the DASF protocol."""
    server, keys = running
    async with _live_messages(running, "dasf") as live:
        wire = await Wire.connect(server.port)
        await wire.upgrade("/ws/dasf/consumer", Authorization=f"Token {keys['consumer']}")
        await _stream(wire, running, lambda frame: frame["context"], SIZES["dasf"], live)


class Live:
    """What is published while the backlog is read."""

    def __init__(self, http: Http, topic: str) -> None:
        self.published = 0
        self._http = http
        self._topic = topic

    async def publish(self) -> None:
        """Publish for ever."""
        while True:
            context = SIZES[self._topic] + self.published + 1
            await self._http.execute(PUBLISH, topic=self._topic, context=context)
            self.published += 1
            await asyncio.sleep(PACE)


@asynccontextmanager
async def _live_messages(running: Running, topic: str) -> AsyncIterator[Live]:
    server, keys = running
    async with http_client(server, keys["producer"]) as http, asyncio.TaskGroup() as group:
        live = Live(http, topic)
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
