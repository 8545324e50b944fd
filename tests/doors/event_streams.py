"""A strict little ASGI driver for server-sent events: every wait has a deadline."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any, NamedTuple, Self

from tests.doors.sockets import DEADLINE


class SentEvent(NamedTuple):
    """An event as it came: ``data`` is read as JSON where there is some."""

    name: str
    data: Any
    id: str | None = None


#: With what every operation ends.
COMPLETE = SentEvent("complete", None)


class EventStream:
    """One request to an ASGI application that is answered with events, from the client's side."""

    def __init__(
        self,
        application: Any,
        query: str,
        variables: Mapping[str, Any] | None = None,
        *,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        named = {
            "host": "testserver",
            "accept": "text/event-stream",
            "content-type": "application/json",
            **(headers or {}),
        }
        self._scope = {
            "type": "http",
            "http_version": "1.1",
            "method": "POST",
            "scheme": "http",
            "path": "/graphql/",
            "raw_path": b"/graphql/",
            "query_string": b"",
            "root_path": "",
            "headers": [(name.encode(), value.encode()) for name, value in named.items()],
        }
        body = json.dumps({"query": query, "variables": variables}).encode()
        self._application = application
        self._to_server: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._to_server.put_nowait({"type": "http.request", "body": body})
        self._from_server: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None
        self.status = 0
        self.headers: dict[str, str] = {}

    async def open(self) -> Self:
        """Send the request and take the beginning of the answer."""
        run = self._application(self._scope, self._to_server.get, self._from_server.put)
        self._task = asyncio.create_task(run)
        begin = await self._message("http.response.start")
        self.status = begin["status"]
        self.headers = {name.decode(): value.decode() for name, value in begin["headers"]}
        return self

    async def block(self) -> str:
        """Return the next event or comment as text, or the whole body that is no stream."""
        return str((await self._message("http.response.body"))["body"].decode())

    async def event(self) -> SentEvent:
        """Return the next event; comments are none."""
        while (text := await self.block()).startswith(":"):
            pass
        assert text.endswith("\n\n"), text
        fields = dict(line.split(": ", 1) for line in text.rstrip("\n").split("\n"))
        data = json.loads(fields["data"]) if fields["data"] else None
        return SentEvent(fields["event"], data, fields.get("id"))

    async def value(self) -> Any:
        """Return the root field's value of the next result, which has no errors."""
        name, result, _ = await self.event()
        assert (name, "errors" in result) == ("next", False), result
        [value] = result["data"].values()
        return value

    async def error(self) -> dict[str, Any]:
        """Return the only error of the last result; the operation is complete then."""
        name, result, _ = await self.event()
        assert name == "next"
        assert result.get("data") is None
        [error] = result["errors"]
        assert await self.event() == COMPLETE
        assert await self.block() == ""
        return dict(error)

    async def close(self) -> None:
        """Go away, and wait until the server has noticed."""
        await self._to_server.put({"type": "http.disconnect"})
        await self.ended()

    async def ended(self) -> None:
        """Wait until the server is done with the request."""
        assert self._task is not None
        async with asyncio.timeout(DEADLINE):
            await self._task

    async def _message(self, kind: str) -> dict[str, Any]:
        async with asyncio.timeout(DEADLINE):
            message = await self._from_server.get()
        assert message["type"] == kind, message
        return message
