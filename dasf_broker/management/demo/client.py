"""A GraphQL client over a websocket, in the protocol ``graphql-transport-ws``.

It imports nothing of the broker: a client in another program looks the same.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

PROTOCOL = Subprotocol("graphql-transport-ws")


class RefusedError(Exception):
    """The server answered with errors, or ended a subscription."""


class Result(NamedTuple):
    """The result of an operation on the socket, or one result of a subscription."""

    operation: str
    data: dict[str, Any]


class Client:
    """An open socket on which operations run side by side; each has a name."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._subscriptions: set[str] = set()

    async def subscribe(self, operation: str, query: str) -> None:
        """Start a subscription; its end is an error."""
        self._subscriptions.add(operation)
        await self.start(operation, query)

    async def start(self, operation: str, query: str, **variables: Any) -> None:
        """Start an operation; :meth:`results` yields its results."""
        payload = {"query": query, "variables": variables}
        await self.send({"id": operation, "type": "subscribe", "payload": payload})

    async def results(self) -> AsyncIterator[Result]:
        """Yield the results of the operations as they arrive.

        Raises
        ------
        RefusedError
            The server reported an error, or a subscription ended.
        """
        while True:
            match await self.receive():
                case {"type": "next", "payload": {"errors": errors}}:
                    raise RefusedError(errors[0]["message"])
                case {"type": "next", "id": operation, "payload": {"data": data}}:
                    yield Result(operation, data)
                case {"type": "error", "payload": errors}:
                    raise RefusedError(errors[0]["message"])
                case {"type": "complete", "id": operation} if operation in self._subscriptions:
                    raise RefusedError(f"The subscription {operation!r} ended.")
                case {"type": "ping"}:
                    await self.send({"type": "pong"})

    async def send(self, frame: dict[str, Any]) -> None:
        """Send a frame."""
        await self._socket.send(json.dumps(frame))

    async def receive(self) -> dict[str, Any]:
        """Wait for a frame."""
        frame: dict[str, Any] = json.loads(await self._socket.recv())
        return frame


@asynccontextmanager
async def connected(url: str, key: str) -> AsyncIterator[Client]:
    """Open a socket and authenticate with an API token.

    Raises
    ------
    OSError, websockets.exceptions.WebSocketException
        There is no such server, it refuses the token, or the connection breaks.
    """
    # No proxy: the server is on this machine, whatever the environment variables say.
    async with connect(url, subprotocols=[PROTOCOL], compression=None, proxy=None) as socket:
        client = Client(socket)
        await client.send(
            {"type": "connection_init", "payload": {"Authorization": f"Bearer {key}"}}
        )
        while (await client.receive())["type"] != "connection_ack":
            pass
        yield client
