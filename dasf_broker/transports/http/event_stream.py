"""GraphQL over server-sent events: "distinct connections mode", one operation per request.

For clients and proxies that support HTTP but not websockets, like ``curl -N``.
Protocol: https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Any

from graphql import OperationType
from strawberry import Schema

from dasf_broker import app_settings
from dasf_broker.auth.revocation import while_valid
from dasf_broker.concurrency.shares import working_for
from dasf_broker.exceptions import UnauthenticatedError
from dasf_broker.schema.types.messages import Message
from dasf_broker.transports.connection.handshake import Receive, Send
from dasf_broker.transports.connection.send_timeout import send_with_timeout
from dasf_broker.transports.connection.socket_budget import ResultSlots
from dasf_broker.transports.graphql.execution import (
    Call,
    execute,
    operation_type,
    writable_errors,
)
from dasf_broker.transports.graphql.shared_results import stream
from dasf_broker.transports.json_codec import write_json

#: With these headers proxies do not buffer, so that events arrive at once.
_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store, no-transform"),
    (b"x-accel-buffering", b"no"),
    (b"x-content-type-options", b"nosniff"),
]

#: A line that clients ignore.
_COMMENT = ":\n\n"

#: With data, because `EventSource` drops events without data.
_COMPLETE = "event: complete\ndata: \n\n"


async def serve_events(schema: Schema, call: Call, receive: Receive, send: Send) -> None:
    """Execute an operation and send its results until it ends or the client disconnects."""
    async with send_with_timeout(send) as timed_send:
        await _Stream(schema, call, receive, timed_send).serve()


class _Stream:
    """The answer to one request."""

    def __init__(self, schema: Schema, call: Call, receive: Receive, send: Send) -> None:
        self._schema = schema
        self._call = call
        self._receive = receive
        self._send = send

    async def serve(self) -> None:
        await self._send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
        try:
            await self._write(_COMMENT)  # tells the client at once that it is connected
            try:
                async with while_valid(self._call.identity.credential):
                    with working_for(self._call.identity.caller.share):
                        if not await self._deliver_while_connected():
                            return
            except UnauthenticatedError as error:
                await self._next_error(error)
            await self._write(_COMPLETE)
            await self._send({"type": "http.response.body", "body": b""})
        except OSError:
            pass  # the client disconnected during an event

    async def _deliver_while_connected(self) -> bool:
        """Deliver all results; return whether the client is still connected."""
        delivering = asyncio.create_task(self._deliver())
        listening = asyncio.create_task(self._listen())
        try:
            await asyncio.wait((delivering, listening), return_when=asyncio.FIRST_COMPLETED)
            return delivering.done() and not delivering.result()
        finally:
            for task in (delivering, listening):
                task.cancel()
            await asyncio.gather(delivering, listening, return_exceptions=True)

    async def _listen(self) -> None:
        """Wait until the client disconnects; send comments so that proxies keep the connection."""
        while True:
            try:
                async with asyncio.timeout(app_settings.DASF_EVENT_STREAM_KEEP_ALIVE):
                    message = await self._receive()
            except TimeoutError:
                await self._write(_COMMENT)
            else:
                if message["type"] == "http.disconnect":
                    return

    async def _deliver(self) -> None:
        try:
            if operation_type(self._schema, self._call.request) is OperationType.SUBSCRIPTION:
                await self._stream()
            else:
                result = await execute(self._schema, self._call.request, self._call.context)
                await self._next(write_json(result.body))
        except OSError:
            raise
        except Exception as error:  # noqa: BLE001 - the client gets it, and the log if needed
            await self._next_error(error)

    async def _stream(self) -> None:
        results = stream(self._schema, self._call.request, self._call.context, ResultSlots(1))
        async with aclosing(results):  # type: ignore[type-var]
            async for event, text in results:
                await self._next(text, _cursor(event))
                del event, text  # they may be large, and the next ones long in coming

    async def _next(self, result: str, cursor: str | None = None) -> None:
        name = f"id: {cursor}\n" if cursor is not None else ""
        await self._write(f"{name}event: next\ndata: {result}\n\n")

    async def _next_error(self, error: Exception) -> None:
        await self._next(write_json({"errors": writable_errors([error])}))

    async def _write(self, text: str) -> None:
        body = text.encode("ascii")  # `write_json` escapes everything else
        await self._send({"type": "http.response.body", "body": body, "more_body": True})


def _cursor(event: Any) -> str | None:
    """Return the cursor of an event; a browser sends it as ``Last-Event-ID`` to resume."""
    return event.event.cursor if isinstance(event, Message) else None
