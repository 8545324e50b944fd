"""A strict little ASGI driver for websockets: every wait has a deadline, every frame is checked."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Self

PROTOCOL = "graphql-transport-ws"

#: Seconds to wait for anything; far more than anything takes.
DEADLINE = 20.0

#: How long to listen before saying that nothing comes.
QUIET = 0.15


@dataclass
class ClosedError(Exception):
    """The server closed the socket."""

    code: int
    reason: str = ""


class RefusedError(Exception):
    """The server answered the handshake with HTTP; ``event`` is what it sent first."""

    def __init__(self, event: dict[str, Any]) -> None:
        super().__init__(event)
        self.event = event


class Socket:
    """One websocket to an ASGI application, from the client's side."""

    def __init__(
        self,
        application: Any,
        *,
        path: str = "/graphql/",
        subprotocols: tuple[str, ...] = (PROTOCOL,),
        headers: Mapping[str, str] | None = None,
        address: str | None = None,
    ) -> None:
        named = {"host": "testserver", **(headers or {})}
        self._scope: dict[str, Any] = {
            "type": "websocket",
            "scheme": "ws",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": [(name.encode(), value.encode()) for name, value in named.items()],
            "subprotocols": list(subprotocols),
            "client": (address, 4711) if address else None,
        }
        self._application = application
        self._to_server: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._from_server: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None
        self.subprotocol: str | None = None

    async def open(self) -> Self:
        """Shake hands. Raises ``ClosedError`` or ``RefusedError`` if the server refuses."""
        run = self._application(self._scope, self._to_server.get, self._from_server.put)
        self._task = asyncio.create_task(run)
        await self._to_server.put({"type": "websocket.connect"})
        event = await self._next_event()
        if event["type"] != "websocket.accept":
            raise RefusedError(event)
        self.subprotocol = event.get("subprotocol")
        return self

    async def send(self, frame: Any) -> None:
        """Send a value as JSON."""
        await self.send_text(json.dumps(frame))

    async def send_text(self, text: str) -> None:
        """Send a text frame."""
        await self._to_server.put({"type": "websocket.receive", "text": text, "bytes": None})

    async def send_bytes(self, data: bytes) -> None:
        """Send a binary frame."""
        await self._to_server.put({"type": "websocket.receive", "text": None, "bytes": data})

    async def receive(self) -> dict[str, Any]:
        """Return the next frame. Raises :class:`ClosedError` where the server closes instead."""
        event = await self._next_event()
        assert event["type"] == "websocket.send", event
        frame = json.loads(event["text"])
        assert isinstance(frame, dict)
        return frame

    async def hears_nothing(self, seconds: float = QUIET) -> bool:
        """Tell whether no frame comes for a short while."""
        await asyncio.sleep(seconds)
        return self._from_server.empty()

    async def close(self) -> None:
        """Go away, and wait until the server has noticed."""
        if self._task is None:
            return
        await self._to_server.put({"type": "websocket.disconnect", "code": 1001})
        async with asyncio.timeout(DEADLINE):
            await self._task

    # --- the protocol -------------------------------------------------------------------------

    async def initialise(self, payload: Mapping[str, Any] | None = None) -> None:
        """Send ``connection_init`` and take the answer."""
        await self.send({"type": "connection_init", "payload": payload})
        assert await self.receive() == {"type": "connection_ack"}

    async def subscribe(
        self, query: str, variables: Mapping[str, Any] | None = None, *, id_: str = "1"
    ) -> None:
        """Start an operation of any kind."""
        payload = {"query": query, "variables": variables}
        await self.send({"type": "subscribe", "id": id_, "payload": payload})

    async def next(self, id_: str = "1") -> dict[str, Any]:
        """Return the payload of the operation's next result."""
        frame = await self.receive()
        assert (frame["type"], frame["id"]) == ("next", id_), frame
        payload: dict[str, Any] = frame["payload"]
        return payload

    async def data(self, id_: str = "1") -> Any:
        """Return the root field's value of the operation's next result, which has no errors."""
        payload = await self.next(id_)
        assert "errors" not in payload, payload
        [value] = payload["data"].values()
        return value

    async def error(self, id_: str = "1") -> list[dict[str, Any]]:
        """Return the errors with which the operation ends."""
        frame = await self.receive()
        assert (frame["type"], frame["id"]) == ("error", id_), frame
        errors: list[dict[str, Any]] = frame["payload"]
        return errors

    async def _next_event(self) -> dict[str, Any]:
        async with asyncio.timeout(DEADLINE):
            event = await self._from_server.get()
        if event["type"] == "websocket.close":
            raise ClosedError(event.get("code", 1000), event.get("reason", ""))
        return event


@asynccontextmanager
async def connect(application: Any, **options: Any) -> AsyncIterator[Socket]:
    """Open a socket for as long as the context lasts; the application must end without error."""
    socket = Socket(application, **options)
    try:
        yield await socket.open()
    finally:
        await socket.close()
