"""Many publishers at once: their messages are numbered without hole, and all see them in order."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.acceptance.clients import Http, graphql_socket, http_client, sequences
from tests.acceptance.servers import Server, site

PUBLISHERS = 200
EACH = 3
ALL = [*range(1, PUBLISHERS * EACH + 1)]

Running = tuple[Server, dict[str, str]]


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    """Return a server with a topic, and the keys of a producer and a consumer."""
    with site(tmp_path) as made:
        keys = made.prepare(
            {"topic": {}}, {"producer": ["can_produce"], "consumer": ["can_consume"]}
        )
        with made.server() as server:
            yield server, keys


async def test_no_hole_and_no_disorder(running: Running) -> None:
    """200 connections publish to one topic; three subscribers, one of them late, see the same."""
    server, keys = running
    async with AsyncExitStack() as stack:
        publishing = [
            await stack.enter_async_context(http_client(server, keys["producer"]))
            for _ in range(PUBLISHERS)
        ]
        sockets = [
            await stack.enter_async_context(graphql_socket(server, keys["consumer"]))
            for _ in range(3)
        ]

        async def publish(http: Http) -> list[int]:
            return [await http.publish("topic", str(index)) for index in range(EACH)]

        async with asyncio.TaskGroup() as group:
            early = [group.create_task(sequences(each, "topic", len(ALL))) for each in sockets[:2]]
            publishers = [group.create_task(publish(each)) for each in publishing]
            await asyncio.wait(publishers, return_when=asyncio.FIRST_COMPLETED)
            late = group.create_task(sequences(sockets[2], "topic", len(ALL)))
    assert [each.result() for each in [*early, late]] == [ALL] * 3
    answered = [each.result() for each in publishers]
    assert sorted(number for own in answered for number in own) == ALL
    assert all(own == sorted(own) for own in answered), "each publisher's own order"
