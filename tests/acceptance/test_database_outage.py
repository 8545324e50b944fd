"""The database is killed, frozen or locked: everybody is told in time, and nothing is lost."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from websockets.exceptions import ConnectionClosed

from dasf_broker.transports.connection.close_codes import CloseCode
from tests import services
from tests.acceptance.clients import GraphQLSocket, Http, RefusedError, graphql_socket, http_client
from tests.acceptance.load import PUBLISH, load
from tests.acceptance.outages import frozen, locked
from tests.acceptance.servers import site
from tests.acceptance.test_shutdown import PROMISED, TOPICS

pytestmark = [pytest.mark.acceptance, pytest.mark.quiet, pytest.mark.timeout(240)]

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


async def test_postgresql_is_killed(tmp_path: Path) -> None:
    """Kill -9 under load: what was answered is there afterwards, and it goes on by itself."""
    with services.breakable_postgres() as postgres:
        with site(tmp_path, DATABASE_URL=postgres.url) as made:
            keys = made.prepare(TOPICS, PEOPLE)
            with made.server() as server:
                async with load([server], keys) as busy:
                    for _ in range(2):
                        await asyncio.to_thread(postgres.kill)
                        await busy.until_more_is_refused()
                        await asyncio.to_thread(postgres.start)
                        await busy.until_more_is_answered()
                    busy.end()
                    await busy.check(made)
        assert busy.slowest < PROMISED


async def test_postgresql_is_frozen(tmp_path: Path) -> None:
    """It neither answers nor refuses: who waits is told in time. Then it goes on."""
    with (
        services.breakable_postgres() as postgres,
        site(tmp_path, DATABASE_URL=postgres.url) as made,
    ):
        keys = made.prepare(TOPICS, PEOPLE)
        with made.server() as server:
            async with (
                graphql_socket(server, keys["both"]) as socket,
                http_client(server, keys["both"]) as http,
            ):
                first = await _publish(socket, str(uuid4()))
                asking: list[Callable[[], Awaitable[Any]]] = [
                    lambda: _publish(http, str(uuid4())),
                    lambda: _publish(socket, str(uuid4())),
                    lambda: socket.execute(ACKNOWLEDGE, id=first),
                    lambda: socket.execute(QUERY),
                    lambda: http.execute(QUERY),
                    lambda: anext(socket.subscribe(SUBSCRIBE)),
                ]
                with frozen(postgres):
                    closing = asyncio.create_task(_closed(graphql_socket(server, keys["both"])))
                    outcomes = await asyncio.gather(*(_refusal(ask()) for ask in asking))
                    assert await closing == CloseCode.TRY_AGAIN_LATER
                for seconds, code, _ in outcomes:
                    assert (code, seconds < PROMISED) == ("UNAVAILABLE", True), outcomes
                await _when_it_answers(http)
                for ask in asking:
                    await ask()


async def test_a_locked_database(tmp_path: Path) -> None:
    """Who waits behind others waits no longer than they; a refused publish is not done later."""
    with site(tmp_path) as made:
        keys = made.prepare(TOPICS, PEOPLE)
        with made.server() as server:
            async with (
                graphql_socket(server, keys["both"]) as socket,
                http_client(server, keys["both"]) as http,
            ):
                first = await _publish(socket, str(uuid4()))
                ids = [str(uuid4()) for _ in range(6)]
                with locked(made):
                    asking: list[Awaitable[Any]] = []
                    for index, message_id in enumerate(ids):
                        asking.append(_publish((http, socket)[index % 2], message_id))
                        asking.append(socket.execute(ACKNOWLEDGE, id=first))
                    outcomes = await asyncio.gather(*map(_refusal, asking))
                for seconds, code, _ in outcomes:
                    assert (code, seconds < PROMISED) == ("UNAVAILABLE", True), outcomes
                last = await _publish(http, str(uuid4()))
                there = await _all_up_to(socket, last)
                refused = [
                    message_id
                    for message_id, (_, _, text) in zip(ids, outcomes[::2], strict=True)
                    if "Nothing was changed" in text
                ]
                assert not set(refused) & set(there)
                for message_id in ids:  # again, as a producer does
                    await _publish(http, message_id)
                last = await _publish(http, str(uuid4()))
                assert sorted(await _all_up_to(socket, last)) == sorted({*there, *ids, last})


async def _publish(client: Http | GraphQLSocket, message_id: str) -> str:
    published = await client.execute(PUBLISH, id=message_id, text="x")
    assert published["status"] in {"STORED", "DUPLICATE"}
    return message_id


async def _refusal(asked: Awaitable[Any]) -> tuple[float, str, str]:
    """Return how long a refusal took, its code, and its text."""
    begun = time.monotonic()
    with pytest.raises(RefusedError) as refused:
        await asked
    [[error]] = refused.value.args
    return time.monotonic() - begun, error["extensions"]["code"], error["message"]


async def _closed(opening: AbstractAsyncContextManager[GraphQLSocket]) -> int | None:
    """Return the code with which the server closes a new socket."""
    begun = time.monotonic()
    with pytest.raises(ConnectionClosed) as closed:
        await opening.__aenter__()
    assert time.monotonic() - begun < PROMISED
    return closed.value.rcvd.code if closed.value.rcvd else None


async def _when_it_answers(http: Http) -> None:
    async with asyncio.timeout(60):
        while True:
            try:
                await http.execute(QUERY)
            except RefusedError:
                continue
            return


async def _all_up_to(socket: GraphQLSocket, last: str) -> list[str]:
    """Return the ids of all messages up to one, each as often as it comes."""
    ids: list[str] = []
    async with asyncio.timeout(60):
        async for message in socket.subscribe(SUBSCRIBE):
            ids.append(message["messageId"])
            if ids[-1] == last:
                return ids
    raise AssertionError("The stream ended.")
