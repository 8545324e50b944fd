"""A small websocket client that speaks ``graphql-transport-ws`` and makes its frames by itself.

It reads frames in the receive buffer without a copy, and masks with zeros, which is allowed and
costs nothing.
"""

from __future__ import annotations

import asyncio
import json
import struct
from typing import Any, Self, cast

from benchmarks.load.command import Task

TEXT, CLOSE, PING, PONG = 1, 8, 9, 10

_HANDSHAKE = (
    "GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\n"
    "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    "Sec-WebSocket-Version: 13\r\n{more}\r\n"
)
_GRAPHQL = "Sec-WebSocket-Protocol: graphql-transport-ws\r\n"


class WebSocket(asyncio.Protocol):
    """One connection. Subclasses say what a text is to them."""

    #: What the handshake says besides.
    more = _GRAPHQL
    #: Whose credential it shows.
    who = "consumer"

    def __init__(self, task: Task) -> None:
        self._task = task
        self._rest = b""
        self._is_open = False
        self.lost: Exception | None = None
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.transport: asyncio.Transport

    async def connect(self) -> Self:
        """Open the connection; return when the server has said hello."""
        loop = asyncio.get_running_loop()
        await loop.create_connection(lambda: self, "127.0.0.1", self._task["port"])
        await self.opened
        return self

    def send(self, frame: dict[str, Any]) -> None:
        """Send a text frame."""
        self.write(TEXT, json.dumps(frame, separators=(",", ":")).encode())

    def write(self, opcode: int, payload: bytes) -> None:
        """Send a frame."""
        size = len(payload)
        if size < 126:
            head = struct.pack("!BB", 0x80 | opcode, 0x80 | size)
        elif size < 65536:
            head = struct.pack("!BBH", 0x80 | opcode, 0x80 | 126, size)
        else:
            head = struct.pack("!BBQ", 0x80 | opcode, 0x80 | 127, size)
        self.transport.write(b"%b\0\0\0\0%b" % (head, payload))

    def on_open(self) -> None:
        """Begin the connection; a subclass that overrides this sets ``opened``."""
        self.send({"type": "connection_init", "payload": {"Authorization": self._credential()}})

    def on_text(self, payload: bytes) -> None:
        """Take a text; the first is the server's hello."""
        if json.loads(payload)["type"] == "connection_ack":
            self.opened.set_result(None)

    def consume(self, data: bytes) -> int:
        """Take all complete frames of what was received; return where the rest begins."""
        at = 0
        while (frame := read_frame(data, at)) is not None:
            opcode, start, at = frame
            self.take(opcode, data[start:at])
        return at

    def take(self, opcode: int, payload: bytes) -> None:
        """Take a frame."""
        if opcode == TEXT:
            self.on_text(payload)
        elif opcode == PING:
            self.write(PONG, payload)
        elif opcode == CLOSE:
            self.lost = ConnectionError(f"The server closed: {payload!r}")
            self.transport.close()

    def _credential(self) -> str:
        return f"Bearer {self._task.get(self.who, '')}"

    # --- asyncio's side -----------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the websocket."""
        self.transport = cast("asyncio.Transport", transport)
        path = self._task.get("socket_path", "/graphql/")
        asked = _HANDSHAKE.format(path=path, port=self._task["port"], more=self.more)
        self.transport.write(asked.encode())

    def data_received(self, data: bytes) -> None:
        """Take what came, and keep what is incomplete."""
        if self._rest:
            data = self._rest + data
        if not self._is_open:
            end = data.find(b"\r\n\r\n")
            if end < 0:
                self._rest = data
                return
            if not data.startswith(b"HTTP/1.1 101"):
                self.opened.set_exception(ConnectionError(data.decode(errors="replace")))
                return
            self._is_open = True
            self.on_open()
            data = data[end + 4 :]
        at = self.consume(data)
        self._rest = data[at:] if at else data

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail what waits."""
        self.lost = self.lost or exc or ConnectionError("The server hung up.")
        if not self.opened.done():
            self.opened.set_exception(self.lost)


def read_frame(data: bytes, at: int) -> tuple[int, int, int] | None:
    """Return opcode, start and end of the payload of the frame at a position, if it is all there.

    Servers do not mask.
    """
    if len(data) < at + 2:
        return None
    size, start = data[at + 1], at + 2
    if size == 126:
        start += 2
    elif size == 127:
        start += 8
    if size >= 126:
        if len(data) < start:
            return None
        size = int.from_bytes(data[at + 2 : start], "big")
    if len(data) < start + size:
        return None
    return data[at] & 15, start, start + size
