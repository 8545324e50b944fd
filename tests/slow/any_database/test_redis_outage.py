"""Promise 9: without Redis publishing goes on, delivery within 5 s; it heals without a restart."""

from __future__ import annotations

import asyncio
import itertools
import math
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import redis.asyncio

from tests import services
from tests.acceptance.clients import Http, graphql_socket, http_client, sequence_of
from tests.acceptance.servers import Server, site_for_several
from tests.services import BreakableRedis

pytestmark = pytest.mark.timeout(300)

TOPICS = ("one", "two", "three")

#: Seconds.
OUTAGE = 20.0
CALM = 5.0
PACE = 0.02
SLOWEST, HEALTHY = 5.0, 1.0
TO_HEAL = 5.0

PUBLISH = """
mutation ($topic: String!, $text: String!) {
  publishMessage(input: {topic: $topic, text: $text}) { status message { cursor } }
}
"""
MESSAGES = "subscription ($topic: String!) { messages(topic: $topic) { cursor } }"


@dataclass
class Traffic:
    """What was published when, and what arrived when at each of the subscribers."""

    answered: dict[tuple[str, int], float] = field(default_factory=dict)
    #: By subscriber: topic, and the number of its server.
    arrived: dict[tuple[str, int], dict[int, float]] = field(
        default_factory=lambda: defaultdict(dict)
    )
    publishing_took: list[float] = field(default_factory=list)

    async def publish(self, http: Http) -> None:
        """Publish to all topics in turn, for ever."""
        for topic in itertools.cycle(TOPICS):
            began = time.monotonic()
            published = await http.execute(PUBLISH, topic=topic, text="")
            now = time.monotonic()
            assert published["status"] == "STORED"
            self.answered[topic, sequence_of(published["message"])] = now
            self.publishing_took.append(now - began)
            await asyncio.sleep(PACE)

    async def listen(self, server: Server, number: int, key: str, topic: str) -> None:
        """Note what a subscriber receives, for ever; it must be in order and without hole."""
        mine = self.arrived[topic, number]
        async with graphql_socket(server, key) as socket:
            async for message in socket.subscribe(MESSAGES, topic=topic):
                sequence = sequence_of(message)
                assert sequence == len(mine) + 1
                mine[sequence] = time.monotonic()

    def delays(self, since: float = 0.0, until: float = math.inf) -> list[float]:
        """Return how long messages answered in between took from answer to arrival, at each."""
        return [
            arrivals[sequence] - answered
            for (topic, sequence), answered in self.answered.items()
            if since <= answered < until
            for (listened, _), arrivals in self.arrived.items()
            if listened == topic
        ]

    @property
    def is_all_there(self) -> bool:
        """Whether everybody received what was answered."""
        return all(
            sequence in self.arrived[topic, number]
            for topic, sequence in self.answered
            for number in range(2)
        )


@pytest.fixture
def bell() -> Iterator[BreakableRedis]:
    """Return a Redis server that may be killed."""
    with services.breakable_redis() as server:
        yield server


Running = tuple[list[Server], dict[str, str]]


@pytest.fixture
def running(tmp_path: Path, bell: BreakableRedis) -> Iterator[Running]:
    """Return two servers, and the keys of a producer and a consumer."""
    with site_for_several(tmp_path, REDIS_URL=bell.url) as made:
        keys = made.prepare(
            {topic: {"store_messages": "store"} for topic in TOPICS},
            {"producer": ["can_produce"], "consumer": ["can_consume"]},
        )
        with made.server() as one, made.server() as other:
            yield [one, other], keys


async def test_redis_is_killed_and_flushed(running: Running, bell: BreakableRedis) -> None:
    """Killed for 20 s, started again empty, flushed thrice, all under load: nothing is lost."""
    async with _traffic(*running) as traffic:
        await asyncio.sleep(CALM)
        await asyncio.to_thread(bell.kill)
        await asyncio.sleep(OUTAGE)
        await asyncio.to_thread(bell.start)
        await asyncio.sleep(TO_HEAL)
        restarted = time.monotonic()
        await asyncio.sleep(CALM)
        flushed = time.monotonic()
        async with redis.asyncio.from_url(bell.url) as client:
            for _ in range(3):
                await client.flushall()
                await asyncio.sleep(1)
        await asyncio.sleep(TO_HEAL)
        healed = time.monotonic()
        await asyncio.sleep(CALM)
    assert len(traffic.answered) > 500
    assert max(traffic.publishing_took) < SLOWEST
    assert max(traffic.delays()) < SLOWEST
    assert max(traffic.delays(restarted, flushed)) < HEALTHY
    assert max(traffic.delays(healed)) < HEALTHY


@asynccontextmanager
async def _traffic(servers: list[Server], keys: dict[str, str]) -> AsyncIterator[Traffic]:
    """Publish at the first server and listen at both, until all has arrived at the end."""
    traffic = Traffic()
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(http_client(servers[0], keys["producer"]))
        group = await stack.enter_async_context(asyncio.TaskGroup())
        listeners = [
            group.create_task(traffic.listen(server, number, keys["consumer"], topic))
            for number, server in enumerate(servers)
            for topic in TOPICS
        ]
        publisher = group.create_task(traffic.publish(http))
        yield traffic
        publisher.cancel()
        async with asyncio.timeout(SLOWEST):
            while not traffic.is_all_there:  # noqa: ASYNC110 - there are many to wait for
                await asyncio.sleep(0.1)
        for task in listeners:
            task.cancel()
