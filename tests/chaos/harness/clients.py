"""Clients of the doors that tell "refused" from "unknown": GraphQL over HTTP and websocket."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, cast

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException
from websockets.typing import Subprotocol

from tests.chaos.harness.history import DEFINITE_REFUSALS

#: Seconds to wait for an answer: a little more than the broker promises to take.
PATIENCE: Final = 11.0

PUBLISH: Final = """
mutation ($input: PublishMessageInput!) {
  publishMessage(input: $input) { status message { cursor } }
}
"""
ACKNOWLEDGE: Final = """
mutation ($topic: String!, $messageId: UUID!) {
  acknowledgeMessage(topic: $topic, messageId: $messageId) { status removed }
}
"""
MESSAGES: Final = """
subscription ($topic: String!, $start: StartPosition!, $after: String) {
  messages(topic: $topic, start: $start, after: $after) { messageId cursor text missed }
}
"""


class RefusedError(Exception):
    """The broker says that nothing was done; the argument is the code."""


class NoAnswerError(Exception):
    """It is unknown what was done; the argument says why."""


@dataclass(frozen=True, slots=True)
class Server:
    """Where a server process is reached, and where its doors are."""

    #: Host and port.
    address: str
    graphql_path: str = "/graphql/"
    dasf_path: str = "/ws/"

    @property
    def http(self) -> str:
        """The URL of GraphQL over HTTP."""
        return f"http://{self.address}{self.graphql_path}"

    @property
    def websocket(self) -> str:
        """The URL of GraphQL over websockets."""
        return f"ws://{self.address}{self.graphql_path}"

    @property
    def dasf(self) -> str:
        """The URL of the DASF websockets; the topic follows."""
        return f"ws://{self.address}{self.dasf_path}"


def http_client() -> httpx.AsyncClient:
    """Return a client for :func:`execute_over_http`, to be shared."""
    # Without limits: a server that hangs must not keep the requests to another one waiting.
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    return httpx.AsyncClient(timeout=PATIENCE, limits=limits, verify=False)  # noqa: S501 - no TLS


async def execute_over_http(
    client: httpx.AsyncClient, server: Server, key: str, query: str, **variables: Any
) -> Any:
    """Return the value of the only root field.

    Raises
    ------
    RefusedError, NoAnswerError
        See there.
    """
    try:
        async with asyncio.timeout(PATIENCE):
            response = await client.post(
                server.http,
                json={"query": query, "variables": variables},
                headers={"Authorization": f"Bearer {key}"},
            )
            result = response.json()
    except (httpx.HTTPError, TimeoutError, ValueError, OSError) as error:
        raise NoAnswerError(reason_of(error)) from error
    return value_of(result)


class GraphQLSocket:
    """A ``graphql-transport-ws`` connection with any number of operations."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._ids = itertools.count(1)
        self._frames: dict[str, asyncio.Queue[dict[str, Any] | Exception]] = {}
        self._closed: Exception | None = None

    async def execute(self, query: str, **variables: Any) -> Any:
        """Do as :func:`execute_over_http`."""
        try:
            async with asyncio.timeout(PATIENCE):
                values = [value async for value in self.subscribe(query, **variables)]
        except TimeoutError as error:
            raise NoAnswerError("time-out") from error
        if not values:
            raise NoAnswerError("completed without a result")
        return values[0]

    async def subscribe(self, query: str, **variables: Any) -> AsyncIterator[Any]:
        """Yield the values of the only root field, until the server ends the operation.

        Raises
        ------
        RefusedError, NoAnswerError
            It was refused; the connection or the operation broke.
        """
        key = str(next(self._ids))
        frames = self._frames[key] = asyncio.Queue()
        try:
            await self._send(
                id=key, type="subscribe", payload={"query": query, "variables": variables}
            )
            while (frame := await self._next(frames))["type"] == "next":
                yield value_of(frame["payload"])
            if frame["type"] == "error":
                value_of({"errors": frame["payload"]})
        finally:
            del self._frames[key]

    async def initialise(self, key: str) -> None:
        """Say who we are."""
        await self._send(type="connection_init", payload={"Authorization": f"Bearer {key}"})
        frame = json.loads(await self._connection.recv())
        if frame != {"type": "connection_ack"}:
            raise NoAnswerError(f"{frame} instead of connection_ack")

    async def read(self) -> None:
        """Hand out frames to the operations they belong to, until the connection ends."""
        try:
            async for text in self._connection:
                frame = json.loads(text)
                if frame["type"] == "ping":
                    await self._send(type="pong")
                elif (frames := self._frames.get(frame.get("id"))) is not None:
                    frames.put_nowait(frame)
        except (WebSocketException, NoAnswerError):
            pass  # told below
        self._closed = NoAnswerError(f"closed {self._connection.close_code}")
        for frames in self._frames.values():
            frames.put_nowait(self._closed)

    async def _send(self, **frame: Any) -> None:
        try:
            await self._connection.send(json.dumps(frame))
        except (WebSocketException, OSError) as error:
            raise NoAnswerError(reason_of(error)) from error

    async def _next(self, frames: asyncio.Queue[dict[str, Any] | Exception]) -> dict[str, Any]:
        if self._closed is not None and frames.empty():
            raise self._closed
        frame = await frames.get()
        if isinstance(frame, Exception):
            raise frame
        return frame


@asynccontextmanager
async def graphql_socket(server: Server, key: str) -> AsyncIterator[GraphQLSocket]:
    """Open a GraphQL websocket.

    Raises
    ------
    NoAnswerError
        It could not be opened.
    """
    async with websocket(server.websocket, subprotocol="graphql-transport-ws") as connection:
        socket = GraphQLSocket(connection)
        try:
            async with asyncio.timeout(PATIENCE):
                await socket.initialise(key)
        except (WebSocketException, TimeoutError, ValueError) as error:
            raise NoAnswerError(reason_of(error)) from error
        reading = asyncio.create_task(socket.read())
        try:
            yield socket
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)


@asynccontextmanager
async def websocket(
    url: str, *, key: str | None = None, subprotocol: str | None = None
) -> AsyncIterator[ClientConnection]:
    """Open a websocket that notices a peer that is gone.

    Raises
    ------
    NoAnswerError
        It could not be opened.
    """
    opening = connect(
        url,
        additional_headers={} if key is None else {"Authorization": f"Bearer {key}"},
        subprotocols=None if subprotocol is None else [Subprotocol(subprotocol)],
        compression=None,
        proxy=None,
        open_timeout=PATIENCE,
        close_timeout=0.5,
        ping_interval=5,
        ping_timeout=PATIENCE,
        max_size=None,
    )
    try:
        connection = await opening
    except (WebSocketException, OSError, TimeoutError) as error:
        raise NoAnswerError(reason_of(error)) from error
    try:
        yield connection
    finally:
        await connection.close()


def value_of(result: Any) -> Any:
    """Return the value of the only root field of a GraphQL result.

    Raises
    ------
    RefusedError, NoAnswerError
        It has errors.
    """
    if not isinstance(result, dict):
        raise NoAnswerError(f"{result!r:.80} is no result")
    if errors := result.get("errors"):
        code = errors[0].get("extensions", {}).get("code", "?")
        raise (RefusedError if code in DEFINITE_REFUSALS else NoAnswerError)(code)
    [value] = cast("dict[str, Any]", result["data"]).values()
    return value


def reason_of(error: BaseException) -> str:
    """Return a short text for a failure."""
    return f"{type(error).__name__}: {error}"[:120].rstrip(": ")
