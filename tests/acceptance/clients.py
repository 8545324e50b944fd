"""What a client of a running server needs: GraphQL over HTTP and over a websocket."""

from __future__ import annotations

import asyncio
import itertools
import json
import ssl
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from dasf_broker.domain.cursors import decode_message_cursor
from tests.acceptance.servers import Server

#: Seconds after which something that should happen is not going to.
DEADLINE = 60.0

#: Not used, but made by each client if it is not given, which takes long.
_TLS = ssl.create_default_context()

PUBLISH = """
mutation ($topic: String!, $text: String!) {
  publishMessage(input: {topic: $topic, text: $text}) { status message { cursor } }
}
"""
MESSAGES = """
subscription ($topic: String!, $after: String) {
  messages(topic: $topic, after: $after) { cursor text }
}
"""


class RefusedError(Exception):
    """The server answered an operation with errors."""


class GraphQLSocket:
    """One ``graphql-transport-ws`` connection with any number of operations."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._ids = itertools.count(1)
        self._frames: dict[str, asyncio.Queue[dict[str, Any] | Exception]] = {}

    async def execute(self, query: str, **variables: Any) -> Any:
        """Return the value of the only root field of a query or mutation."""
        async with asyncio.timeout(DEADLINE):
            [value] = [each async for each in self.subscribe(query, **variables)]
        return value

    async def subscribe(self, query: str, **variables: Any) -> AsyncGenerator[Any, None]:
        """Yield the values of the only root field, until the server completes the operation."""
        key = str(next(self._ids))
        frames = self._frames[key] = asyncio.Queue()
        await self._send(id=key, type="subscribe", payload={"query": query, "variables": variables})
        try:
            while (frame := await self._next(frames))["type"] == "next":
                yield _only_value(frame["payload"])
            if frame["type"] == "error":
                raise RefusedError(frame["payload"])
        finally:
            del self._frames[key]

    async def read(self) -> None:
        """Hand out frames to the operations they belong to."""
        failure: Exception = ConnectionError("closed by the server")
        try:
            async for text in self._connection:
                frame = json.loads(text)
                if frame["type"] == "ping":
                    await self._send(type="pong")
                elif frame.get("id") in self._frames:
                    self._frames[frame["id"]].put_nowait(frame)
        except Exception as error:  # noqa: BLE001 - it is raised in each operation
            failure = error
        for frames in self._frames.values():
            frames.put_nowait(failure)

    async def initialise(self, key: str) -> None:
        """Say who we are."""
        await self._send(type="connection_init", payload={"Authorization": f"Bearer {key}"})
        async with asyncio.timeout(DEADLINE):
            assert json.loads(await self._connection.recv()) == {"type": "connection_ack"}

    async def _send(self, **frame: Any) -> None:
        await self._connection.send(json.dumps(frame))

    @staticmethod
    async def _next(frames: asyncio.Queue[dict[str, Any] | Exception]) -> dict[str, Any]:
        frame = await frames.get()
        if isinstance(frame, Exception):
            raise frame
        return frame


@asynccontextmanager
async def graphql_socket(server: Server, key: str) -> AsyncIterator[GraphQLSocket]:
    """Open a websocket with the key of a token."""
    protocols = [Subprotocol("graphql-transport-ws")]
    async with connect(server.graphql_websocket, subprotocols=protocols) as connection:
        socket = GraphQLSocket(connection)
        await socket.initialise(key)
        reading = asyncio.create_task(socket.read())
        try:
            yield socket
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)


@asynccontextmanager
async def http_client(server: Server, key: str) -> AsyncIterator[Http]:
    """Open a client with a pool of connections of its own."""
    async with httpx.AsyncClient(
        verify=_TLS, timeout=DEADLINE, headers={"Authorization": f"Bearer {key}"}
    ) as client:
        yield Http(client, server.graphql)


class Http:
    """GraphQL over HTTP."""

    def __init__(self, client: httpx.AsyncClient, url: str) -> None:
        self._client = client
        self._url = url

    async def execute(self, query: str, **variables: Any) -> Any:
        """Return the value of the only root field."""
        body = {"query": query, "variables": variables}
        response = await self._client.post(self._url, json=body)
        return _only_value(response.json())

    async def publish(self, topic: str, text: str) -> int:
        """Publish a message; return its sequence."""
        published = await self.execute(PUBLISH, topic=topic, text=text)
        assert published["status"] == "STORED", published
        return sequence_of(published["message"])


async def sequences(socket: GraphQLSocket, topic: str, count: int) -> list[int]:
    """Subscribe to a topic; return the sequences of the first messages."""
    async with asyncio.timeout(DEADLINE):
        stream = socket.subscribe(MESSAGES, topic=topic)
        return [sequence_of(await anext(stream)) for _ in range(count)]


def sequence_of(message: dict[str, Any]) -> int:
    """Return the place of a message in its topic, which is inside its cursor."""
    return decode_message_cursor(message["cursor"], field="cursor")[1]


def _only_value(result: dict[str, Any]) -> Any:
    if result.get("errors"):
        raise RefusedError(result["errors"])
    [value] = cast("dict[str, Any]", result["data"]).values()
    return value
