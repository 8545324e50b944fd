"""A small HTTP client: POSTs over one connection that stays open, one after the other."""

from __future__ import annotations

import asyncio
import json
from typing import Any, cast

from benchmarks.load.command import Task

_END = b"\r\n\r\n"
_LENGTH = b"content-length:"


class Http(asyncio.Protocol):
    """One connection."""

    def __init__(self, task: Task) -> None:
        lines = [
            f"POST {task.get('post_path', '/graphql/')} HTTP/1.1",
            f"Host: 127.0.0.1:{task['port']}",
            "Content-Type: application/json",
            *([f"Authorization: Bearer {key}"] if (key := task.get("producer")) else []),
            "Content-Length: ",
        ]
        self._head = "\r\n".join(lines).encode()
        self._received = b""
        self._answer: asyncio.Future[bytes] | None = None
        self._transport: asyncio.Transport

    @classmethod
    async def connect(cls, task: Task) -> Http:
        """Open a connection to the task's server."""
        loop = asyncio.get_running_loop()
        _, made = await loop.create_connection(lambda: cls(task), "127.0.0.1", task["port"])
        return made

    async def post(self, body: bytes) -> bytes:
        """Return the body of the answer, which must be a 200."""
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(b"%b%d%b%b" % (self._head, len(body), _END, body))
        return await self._answer

    async def execute(self, query: str, **variables: Any) -> Any:
        """Return the value of the only root field of a GraphQL operation."""
        body = json.dumps({"query": query, "variables": variables}).encode()
        return value_in(await self.post(body))

    def close(self) -> None:
        """Close the connection."""
        self._answer = None
        self._transport.close()

    # --- asyncio's side -----------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where to write."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Hand over an answer when it is complete."""
        data = self._received + data if self._received else data
        if (body := _body(data)) is None:
            self._received = data
            return
        self._received = b""
        if self._answer is not None and not self._answer.done():
            if data.startswith(b"HTTP/1.1 200"):
                self._answer.set_result(body)
            else:
                self._answer.set_exception(RuntimeError(data.decode(errors="replace")))

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail what waits for an answer."""
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(ConnectionError(f"The server hung up: {exc}"))


def value_in(answer: bytes) -> Any:
    """Return the value of the only root field of a result without errors."""
    result = json.loads(answer)
    if "errors" in result:
        raise RuntimeError(answer.decode())
    [value] = result["data"].values()
    return value


def _body(answer: bytes) -> bytes | None:
    """Return the body of an answer, if it is complete."""
    head, end, body = answer.partition(_END)
    if not end:
        return None
    _, found, rest = head.lower().partition(_LENGTH)
    if found:
        return body if len(body) >= int(rest.split(b"\r\n", 1)[0]) else None
    # In chunks, the last of which is empty.
    whole = b""
    while (line := body.partition(b"\r\n"))[1]:
        size, rest = int(line[0], 16), line[2]
        if not size:
            return whole
        whole, body = whole + rest[:size], rest[size + 2 :]
    return None
