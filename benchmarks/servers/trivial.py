"""A server that does as little as possible, to measure how fast the load generators are.

It parses almost nothing and stores nothing: a POST is answered at once, and written to all sockets
if it looks like a frame. Run it with ``python -m benchmarks.servers.trivial PORT``.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import struct
import sys
from typing import cast

import uvloop

_OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
_SWITCH = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Protocol: graphql-transport-ws\r\nSec-WebSocket-Accept: %b\r\n\r\n"
)
_ACKNOWLEDGED = b'{"type":"connection_ack"}'
_PUBLISHED = (
    b'{"data":{"publishMessage":{"status":"STORED",'
    b'"message":{"messageId":"%b","cursor":"WzEsIDFd"}}}}'
)
_MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

sockets: set[asyncio.Transport] = set()


class Connection(asyncio.Protocol):
    """One connection, of either kind."""

    def __init__(self) -> None:
        self._received = b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where to write."""
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """Forget the connection."""
        sockets.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        """Answer what came, if it is complete."""
        if self._transport in sockets:
            if b"connection_init" in data:
                self._transport.write(_frame(_ACKNOWLEDGED))
            return
        self._received += data
        head, _, body = self._received.partition(b"\r\n\r\n")
        if head.startswith(b"GET"):
            if self._received.endswith(b"\r\n\r\n"):
                self._transport.write(_SWITCH % _accept(_header(head, b"Sec-WebSocket-Key")))
                sockets.add(self._transport)
        elif head.startswith(b"POST") and len(body) >= int(_header(head, b"Content-Length")):
            self._received = b""
            self._answer(body)

    def _answer(self, body: bytes) -> None:
        answer = b"{}"
        if body.startswith(b'{"query"'):
            at = body.index(b'"id": "') + 7
            answer = _PUBLISHED % body[at : at + 36]
        else:
            frame = _frame(body)
            for socket in sockets:
                socket.write(frame)
        self._transport.write(_OK % (len(answer), answer))


def _header(head: bytes, name: bytes) -> bytes:
    return head.partition(name + b": ")[2].partition(b"\r\n")[0]


def _accept(key: bytes) -> bytes:
    return base64.b64encode(hashlib.sha1(key + _MAGIC).digest())  # noqa: S324 - the protocol's


def _frame(payload: bytes) -> bytes:
    size = len(payload)
    head = struct.pack("!BB", 0x81, size) if size < 126 else struct.pack("!BBH", 0x81, 126, size)
    return head + payload


async def serve(port: int) -> None:
    """Serve until the process is ended."""
    server = await asyncio.get_running_loop().create_server(Connection, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
