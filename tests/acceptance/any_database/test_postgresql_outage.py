"""PostgreSQL is killed or frozen: everybody is told in time, and nothing is lost."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, ExitStack
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from websockets.exceptions import ConnectionClosed

from dasf_broker.transports.connection.close_codes import CloseCode
from tests import services
from tests.acceptance.clients import GraphQLSocket, Http, RefusedError, graphql_socket, http_client
from tests.acceptance.load import load
from tests.acceptance.outages import frozen
from tests.acceptance.servers import site
from tests.acceptance.test_database_outage import (
    ACKNOWLEDGE,
    PEOPLE,
    QUERY,
    SUBSCRIBE,
    publish,
    refusal,
)
from tests.acceptance.test_shutdown import PROMISED, TOPICS, end

pytestmark = pytest.mark.timeout(240)


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
                first = await publish(socket, str(uuid4()))
                asking: list[Callable[[], Awaitable[Any]]] = [
                    lambda: publish(http, str(uuid4())),
                    lambda: publish(socket, str(uuid4())),
                    lambda: socket.execute(ACKNOWLEDGE, id=first),
                    lambda: socket.execute(QUERY),
                    lambda: http.execute(QUERY),
                    lambda: anext(socket.subscribe(SUBSCRIBE)),
                ]
                with frozen(postgres):
                    closing = asyncio.create_task(_closed(graphql_socket(server, keys["both"])))
                    outcomes = await asyncio.gather(*(refusal(ask()) for ask in asking))
                    assert await closing == CloseCode.TRY_AGAIN_LATER
                for seconds, code, _ in outcomes:
                    assert (code, seconds < PROMISED) == ("UNAVAILABLE", True), outcomes
                await _when_it_answers(http)
                for ask in asking:
                    await ask()


@pytest.mark.parametrize("has_redis", [True, False])
async def test_a_server_ends_when_nothing_answers(tmp_path: Path, has_redis: bool) -> None:
    """With a frozen database, without Redis, and with publishes in flight."""
    with ExitStack() as stack:
        postgres = stack.enter_context(services.breakable_postgres())
        redis = stack.enter_context(services.breakable_redis())
        urls = {"DATABASE_URL": postgres.url, "REDIS_URL": redis.url}
        running = stack.enter_context(site(tmp_path, **urls))
        keys = running.prepare(TOPICS, PEOPLE)
        server = stack.enter_context(running.server())
        async with load([server], keys) as busy:
            with frozen(postgres):
                if not has_redis:
                    redis.kill()
                before = len(busy.answered)
                seconds, status = await end(server)
                busy.end()
            assert len(busy.answered) <= before + 4  # what was on its way when time stood still
    assert seconds < PROMISED
    assert status == -signal.SIGTERM


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
