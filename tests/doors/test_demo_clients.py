"""The demo's clients, against a server that breaks off: they come back, and leave no keys."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from websockets.asyncio.server import Server, ServerConnection, serve

from dasf_broker import database
from dasf_broker.management.demo.feeds import FEEDS, keep_running
from dasf_broker.models import ApiToken
from tests.conftest import MakeUser
from tests.tokens import token_owner

pytestmark = pytest.mark.django_db(transaction=True)

#: What the server does on the first connections, before one that it keeps.
BREAKS = ("close", "refuse", "answer with errors")


@pytest.fixture
def seen() -> asyncio.Queue[dict[str, Any]]:
    """Return where the server puts what a client sends first on each connection."""
    return asyncio.Queue()


@pytest.fixture
async def url(seen: asyncio.Queue[dict[str, Any]]) -> AsyncIterator[str]:
    """Run a server that ends its first connections one way or another; return its URL."""
    connections = 0

    async def talk(socket: ServerConnection) -> None:
        nonlocal connections
        connections += 1
        init = json.loads(await socket.recv())
        await socket.send(json.dumps({"type": "connection_ack"}))
        started = json.loads(await socket.recv())
        seen.put_nowait(init["payload"] | started)
        if connections <= len(BREAKS):
            await break_off(socket, BREAKS[connections - 1], started["id"])
        await socket.wait_closed()

    async with serve(talk, "127.0.0.1", 0, subprotocols=["graphql-transport-ws"]) as server:  # type: ignore[list-item]
        yield address(server)


@pytest.mark.parametrize("service", FEEDS)
async def test_reconnects(
    service: str,
    url: str,
    seen: asyncio.Queue[dict[str, Any]],
    make_user: MakeUser,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Whatever ends the conversation, the client begins a new one, with a new key."""
    user = await database.write(make_user, service)
    running = asyncio.create_task(keep_running(service, FEEDS[service], url))
    async with asyncio.timeout(30):
        starts = [await seen.get() for _ in range(len(BREAKS) + 1)]
    last = await database.read(caller, starts[-1])
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert last == user
    assert {start["type"] for start in starts} == {"subscribe"}
    assert len({start["Authorization"] for start in starts}) == len(starts)
    assert not await database.read(ApiToken.objects.exists)
    assert service in caplog.text


def caller(start: dict[str, Any]) -> Any:
    """Return whom a client's key belongs to."""
    return token_owner(start["Authorization"].removeprefix("Bearer "))


async def break_off(socket: ServerConnection, how: str, operation: str) -> None:
    """End the conversation."""
    if how == "close":
        await socket.close(1012)
    elif how == "refuse":
        errors = [{"message": "NOT_FOUND"}]
        await socket.send(json.dumps({"type": "error", "id": operation, "payload": errors}))
    else:
        result = {"errors": [{"message": "FORBIDDEN"}], "data": None}
        await socket.send(json.dumps({"type": "next", "id": operation, "payload": result}))


def address(server: Server) -> str:
    """Return the URL of a server."""
    [listening] = server.sockets
    return f"ws://127.0.0.1:{listening.getsockname()[1]}/"
