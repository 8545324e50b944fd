"""A client on a websocket of the ASGI application, without a server."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from django.urls import reverse

from dasf_broker import database, runtime
from dasf_broker.auth import create_token
from dasf_broker.exceptions import UnavailableError
from dasf_broker.testing.client import OperationError, data_of
from dasf_broker.testing.commits import announce_pending
from dasf_broker.transports.json_codec import write_json
from dasf_broker.transports.websocket.graphql import PROTOCOL

if TYPE_CHECKING:
    from django.contrib.auth.models import User

#: Seconds to wait for an answer.
TIMEOUT = 10.0

#: Seconds between two searches for messages that the test published in its transaction.
STEP = 0.02


class GraphQLSocket:
    """A websocket, open as long as the context lasts: ``async with GraphQLSocket(...) as socket``.

    Parameters
    ----------
    application
        The project's ASGI application.
    user
        The user who connects, with a token made for it; without one an anonymous caller.
    timeout
        Seconds to wait for an answer.
    """

    def __init__(
        self, application: Any, *, user: User | None = None, timeout: float = TIMEOUT
    ) -> None:
        self._application = application
        self._user = user
        self._timeout = timeout
        self._ids = map(str, itertools.count(1))
        self._results: dict[str, Results] = {}
        self._to_server: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._from_server: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._serving: asyncio.Future[None] | None = None
        self._reading: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Connect.

        Raises
        ------
        ConnectionError
            The server closed the socket.
        """
        serve = self._application(_scope(), self._to_server.get, self._from_server.put)
        self._serving = asyncio.ensure_future(serve)
        await self._to_server.put({"type": "websocket.connect"})
        try:
            await self._send("connection_init", payload=await self._credential())
            async with asyncio.timeout(self._timeout):
                while await self._receive() != {"type": "connection_ack"}:
                    pass
        except BaseException:
            await self._disconnect()
            raise
        self._reading = asyncio.create_task(self._read())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Disconnect."""
        await self._disconnect()

    async def _disconnect(self) -> None:
        await self._to_server.put({"type": "websocket.disconnect", "code": 1000})
        if self._reading is not None:
            self._reading.cancel()
        if self._serving is not None:
            async with asyncio.timeout(self._timeout):
                await self._serving
        with suppress(UnavailableError):  # there is no channel layer, and so no hub
            if not runtime.current().hub.topics:  # this was the last socket
                await runtime.current().close_hub()

    async def execute(
        self, query: str, variables: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Execute a query or a mutation, and return its data.

        Raises
        ------
        OperationError
            The answer has errors.
        """
        return await (await self.subscribe(query, variables)).next()

    async def subscribe(self, query: str, variables: Mapping[str, Any] | None = None) -> Results:
        """Begin a subscription, and return its results.

        It has begun when its first result is there. A message that is published before that may
        not come if the topic stores nothing.
        """
        operation_id = next(self._ids)
        results = self._results[operation_id] = Results(self._timeout)
        payload = {"query": query, "variables": dict(variables or {})}
        await self._send("subscribe", id=operation_id, payload=payload)
        return results

    async def _credential(self) -> dict[str, str]:
        if self._user is None:
            return {}
        _, key = await database.write(create_token, self._user, label="GraphQLSocket")
        return {"Authorization": f"Bearer {key}"}

    async def _send(self, kind: str, **parts: Any) -> None:
        text = write_json({"type": kind, **parts})
        await self._to_server.put({"type": "websocket.receive", "text": text})

    async def _receive(self) -> dict[str, Any]:
        event = await self._from_server.get()
        if event["type"] == "websocket.close":
            raise ConnectionError(f"The server closed the socket: {event}.")
        frame: dict[str, Any] = json.loads(event.get("text") or "{}")
        return frame

    async def _read(self) -> None:
        try:
            while True:
                frame = await self._receive()
                if (results := self._results.get(frame.get("id", ""))) is not None:
                    results.put(frame)
        except ConnectionError as error:
            for results in self._results.values():
                results.put(error)


class Results:
    """The results of an operation, in order: call :meth:`next`, or iterate."""

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._frames: asyncio.Queue[dict[str, Any] | Exception] = asyncio.Queue()

    def __aiter__(self) -> AsyncIterator[dict[str, Any]]:
        return self

    async def __anext__(self) -> dict[str, Any]:
        return await self.next()

    async def next(self) -> dict[str, Any]:
        """Return the data of the next result.

        Raises
        ------
        OperationError
            The result has errors, or the operation was refused.
        StopAsyncIteration
            The operation is complete.
        ConnectionError
            The server closed the socket.
        TimeoutError
            Nothing came.
        """
        frame = await self._frame()
        if isinstance(frame, Exception):
            raise frame
        match frame["type"]:
            case "complete":
                raise StopAsyncIteration
            case "error":
                raise OperationError(frame["payload"])
            case _:
                return data_of(frame["payload"])

    def put(self, frame: dict[str, Any] | Exception) -> None:
        """Add a frame of the operation."""
        self._frames.put_nowait(frame)

    async def _frame(self) -> dict[str, Any] | Exception:
        async with asyncio.timeout(self._timeout):
            while True:
                await announce_pending()
                with suppress(TimeoutError):
                    async with asyncio.timeout(STEP):
                        return await self._frames.get()


def _scope() -> dict[str, Any]:
    return {
        "type": "websocket",
        "path": reverse("dasf_broker:graphql"),
        "query_string": b"",
        "headers": [(b"host", b"testserver")],
        "subprotocols": [PROTOCOL],
        "client": ("127.0.0.1", 0),
    }
