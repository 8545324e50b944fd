"""The database is locked: everybody is told in time, and nothing is done later."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.acceptance.clients import GraphQLSocket, Http, RefusedError, graphql_socket, http_client
from tests.acceptance.load import PUBLISH
from tests.acceptance.outages import locked
from tests.acceptance.servers import site
from tests.acceptance.test_shutdown import PROMISED, TOPICS

PEOPLE = {
    "producer": ["can_produce"],
    "reader": ["can_consume"],
    "both": ["can_produce", "can_consume"],
}

ACKNOWLEDGE = """
mutation ($id: UUID!) { acknowledgeMessage(topic: "topic", messageId: $id) { status } }
"""
QUERY = '{ topic(slug: "topic") { slug } }'
SUBSCRIBE = 'subscription { messages(topic: "topic", start: EARLIEST) { messageId } }'


async def test_a_locked_database(tmp_path: Path) -> None:
    """Who waits behind others waits no longer than they; a refused publish is not done later."""
    with site(tmp_path) as made:
        keys = made.prepare(TOPICS, PEOPLE)
        with made.server() as server:
            async with (
                graphql_socket(server, keys["both"]) as socket,
                http_client(server, keys["both"]) as http,
            ):
                first = await publish(socket, str(uuid4()))
                ids = [str(uuid4()) for _ in range(6)]
                with locked(made):
                    asking: list[Awaitable[Any]] = []
                    for index, message_id in enumerate(ids):
                        asking.append(publish((http, socket)[index % 2], message_id))
                        asking.append(socket.execute(ACKNOWLEDGE, id=first))
                    outcomes = await asyncio.gather(*map(refusal, asking))
                for seconds, code, _ in outcomes:
                    assert (code, seconds < PROMISED) == ("UNAVAILABLE", True), outcomes
                last = await publish(http, str(uuid4()))
                there = await _all_up_to(socket, last)
                refused = [
                    message_id
                    for message_id, (_, _, text) in zip(ids, outcomes[::2], strict=True)
                    if "Nothing was changed" in text
                ]
                assert not set(refused) & set(there)
                for message_id in ids:  # again, as a producer does
                    await publish(http, message_id)
                last = await publish(http, str(uuid4()))
                assert sorted(await _all_up_to(socket, last)) == sorted({*there, *ids, last})


async def publish(client: Http | GraphQLSocket, message_id: str) -> str:
    """Publish, and return the message's id."""
    published = await client.execute(PUBLISH, id=message_id, text="x")
    assert published["status"] in {"STORED", "DUPLICATE"}
    return message_id


async def refusal(asked: Awaitable[Any]) -> tuple[float, str, str]:
    """Return how long a refusal took, its code, and its text."""
    begun = time.monotonic()
    with pytest.raises(RefusedError) as refused:
        await asked
    [[error]] = refused.value.args
    return time.monotonic() - begun, error["extensions"]["code"], error["message"]


async def _all_up_to(socket: GraphQLSocket, last: str) -> list[str]:
    """Return the ids of all messages up to one, each as often as it comes."""
    ids: list[str] = []
    async with asyncio.timeout(60):
        async for message in socket.subscribe(SUBSCRIBE):
            ids.append(message["messageId"])
            if ids[-1] == last:
                return ids
    raise AssertionError("The stream ended.")
