"""Several server processes on PostgreSQL and Redis are one broker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.clients import (
    DEADLINE,
    GraphQLSocket,
    graphql_socket,
    http_client,
    sequences,
)
from tests.acceptance.servers import Server, site_for_several

MESSAGES = 500
IN_FLIGHT = 20

PING = 'mutation { pingTopic(topic: "topic") { pingedAt } }'
PONG = 'mutation { pongTopic(topic: "topic") { roundTripTime } }'
PINGS = 'subscription { pings(topic: "topic") { pingedAt } }'
PONGS = 'subscription { pongs(topic: "topic") { pingedAt user { username } } }'

Running = tuple[Server, Server, dict[str, str]]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Return two servers whose channel layer loses nearly everything, and people's keys."""
    folder: Path = tmp_path_factory.mktemp("site")
    with site_for_several(folder, REDIS_CAPACITY="1") as made:
        keys = made.prepare(
            {"topic": {"supports_dasf": True}},
            {"producer": ["can_produce"], "consumer": ["can_consume"]},
        )
        with made.server() as one, made.server() as other:
            yield one, other, keys


async def test_messages_cross(running: Running) -> None:
    """What is published at one arrives at the other: in order, none missing, none twice."""
    one, other, keys = running
    count = MESSAGES + 1
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(http_client(one, keys["producer"]))
        sockets = [
            await stack.enter_async_context(graphql_socket(other, keys["consumer"]))
            for _ in range(3)
        ]
        slots = asyncio.Semaphore(IN_FLIGHT)

        async def publish(index: int) -> int:
            async with slots:
                return await http.publish("topic", str(index))

        async with asyncio.TaskGroup() as group:
            readers = [group.create_task(sequences(each, "topic", count)) for each in sockets]
            publishers = [group.create_task(publish(index)) for index in range(count)]
    published = sorted(each.result() for each in publishers)
    assert published == [*range(1, count + 1)]
    assert [each.result() for each in readers] == [published] * 3


async def test_pings_and_pongs_cross(running: Running) -> None:
    """A ping at one is answered at the other, and the answer is heard at the first."""
    one, other, keys = running
    async with (
        graphql_socket(one, keys["producer"]) as asking,
        graphql_socket(other, keys["consumer"]) as answering,
        asyncio.timeout(DEADLINE),
        asyncio.TaskGroup() as group,
    ):
        answers = asking.subscribe(PONGS)
        heard = group.create_task(_first(answers))
        consumer = group.create_task(_answer_pings(answering))
        # Pings are stored nowhere: repeated until both sides listen.
        while not heard.done():
            await asking.execute(PING)
            await asyncio.wait([heard], timeout=0.2)
        consumer.cancel()
    assert heard.result()["user"] == {"username": "consumer"}
    assert heard.result()["pingedAt"] is not None


async def _first(stream: AsyncIterator[Any]) -> Any:
    return await anext(stream)


async def _answer_pings(socket: GraphQLSocket) -> None:
    async for _ in socket.subscribe(PINGS):
        await socket.execute(PONG)
