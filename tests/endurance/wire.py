"""A websocket client that holds next to nothing, and that may behave as badly as it likes."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import socket
import struct
from typing import Any, Self

#: Opcodes of frames.
CONTINUATION, TEXT, CLOSE, PING, PONG = 0, 1, 8, 9, 10

_SIXTEEN_BITS, _SIXTY_FOUR_BITS = 126, 127


class ClosedError(ConnectionError):
    """The server closed the socket, or the connection broke; ``code`` is ``None`` then."""

    def __init__(self, code: int | None) -> None:
        super().__init__(f"closed with {code}")
        self.code = code


class Wire:
    """One connection to a server on this machine.

    Parameters
    ----------
    reader, writer
        A connected stream.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def connect(cls, port: int, *, receive_buffer: int | None = None) -> Self:
        """Open a connection, and say nothing yet."""
        connection = socket.socket()
        connection.setblocking(False)
        if receive_buffer is not None:  # before it connects, or the window is larger already
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", port))
        return cls(*await asyncio.open_connection(sock=connection, limit=receive_buffer or 2**16))

    def ask(self, path: str, **headers: str) -> None:
        """Ask for the upgrade to a websocket, and do not wait for the answer."""
        self.write(request(path, **headers))

    async def upgrade(self, path: str, **headers: str) -> None:
        """Become a websocket."""
        self.ask(path, **headers)
        if not (await self._read_answer()).startswith(b"HTTP/1.1 101 "):
            raise ClosedError(None)

    async def upgrade_to_graphql(self, key: str) -> None:
        """Become a ``graphql-transport-ws`` websocket, initialised with the key of a token."""
        await self.upgrade("/graphql/", **GRAPHQL)
        self.send(initialisation(key))
        assert await self.receive() == '{"type":"connection_ack"}'

    def write(self, data: bytes) -> None:
        """Send bytes as they are."""
        self._writer.write(data)

    async def drain(self) -> None:
        """Wait until the other side has taken most of what was written."""
        await self._writer.drain()

    def send(self, frame: Any) -> None:
        """Send a text frame with JSON."""
        self.write(masked(TEXT, json.dumps(frame).encode()))

    def subscribe(self, query: str, **variables: Any) -> None:
        """Begin the only operation of this socket."""
        self.send(subscription(query, **variables))

    async def receive(self) -> str:
        """Return the next text, and answer pings meanwhile.

        Raises
        ------
        ClosedError
            There is none.
        """
        while True:
            opcode, data = await self._read_frame()
            match opcode:
                case _ if opcode == TEXT:
                    return data.decode()
                case _ if opcode == PING:
                    self.write(masked(PONG, data))
                case _ if opcode == CLOSE:
                    raise ClosedError(struct.unpack("!H", data[:2])[0] if data else None)

    async def read_all(self) -> bytes:
        """Return what comes until the server closes the connection."""
        return await self._reader.read()

    async def next_value(self) -> Any:
        """Return the value of the only root field of the next result."""
        frame = json.loads(await self.receive())
        assert frame["type"] == "next", frame
        assert "errors" not in frame["payload"], frame
        [value] = frame["payload"]["data"].values()
        return value

    async def close(self) -> None:
        """Close as the protocol wants it."""
        self.write(masked(CLOSE, struct.pack("!H", 1000)))
        await self._reader.read()
        self._writer.close()

    def stop_reading(self) -> None:
        """Leave what comes in the buffers of the system."""
        self._writer.transport.pause_reading()  # type: ignore[attr-defined]

    def read_again(self) -> None:
        """Take what came meanwhile."""
        self._writer.transport.resume_reading()  # type: ignore[attr-defined]

    def drop(self) -> None:
        """Be gone without a word, as after a power failure: the server sees a reset."""
        connection = self._writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()

    def hang_up(self) -> None:
        """Be gone without a close frame, as a process that is killed: the server sees the end."""
        self._writer.close()

    async def _read_answer(self) -> bytes:
        try:
            return await self._reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            raise ClosedError(None) from None

    async def _read_frame(self) -> tuple[int, bytes]:
        try:
            first, length = await self._reader.readexactly(2)
            if length == _SIXTEEN_BITS:
                [length] = struct.unpack("!H", await self._reader.readexactly(2))
            elif length == _SIXTY_FOUR_BITS:
                [length] = struct.unpack("!Q", await self._reader.readexactly(8))
            return first & 0x0F, await self._reader.readexactly(length)
        except (asyncio.IncompleteReadError, ConnectionError):
            raise ClosedError(None) from None


#: Headers of the upgrade for GraphQL.
GRAPHQL = {"Sec-WebSocket-Protocol": "graphql-transport-ws"}


def request(path: str, **headers: str) -> bytes:
    """Return the request of a handshake; header names have underscores for hyphens."""
    lines = [
        f"GET {path} HTTP/1.1",
        "Host: 127.0.0.1",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    return "\r\n".join([*lines, "", ""]).encode()


def masked(opcode: int, data: bytes) -> bytes:
    """Return a frame from client to server. The mask is nought, which leaves the data as it is."""
    first = bytes([0x80 | opcode])
    if len(data) < _SIXTEEN_BITS:
        length = bytes([0x80 | len(data)])
    elif len(data) < 2**16:
        length = bytes([0x80 | _SIXTEEN_BITS]) + struct.pack("!H", len(data))
    else:
        length = bytes([0x80 | _SIXTY_FOUR_BITS]) + struct.pack("!Q", len(data))
    return first + length + bytes(4) + data


def initialisation(key: str) -> dict[str, Any]:
    """Return the frame that says who we are."""
    return {"type": "connection_init", "payload": {"Authorization": f"Bearer {key}"}}


def subscription(query: str, **variables: Any) -> dict[str, Any]:
    """Return the frame that begins the operation with the id "1"."""
    return {
        "id": "1",
        "type": "subscribe",
        "payload": {"query": query, "variables": variables},
    }
