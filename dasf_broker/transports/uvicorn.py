"""A websocket protocol for uvicorn: faster fan-out, and limits for the cost of one client.

``uvicorn mysite.asgi:application --ws dasf_broker.transports.uvicorn:WebSocketProtocol``

It extends uvicorn's own ``websockets-sansio``, with the same options and behaviour. It changes only
reading from and writing to the network, which an ASGI application cannot control. The broker works
without it, on any ASGI server.

- Frames that are sent to a client in one turn of the event loop are written at once. A write takes
  several times as long as a frame.
- Bytes from a client are parsed in slices, between which other clients are served.
- The memory that one client can occupy is limited: by pongs that it does not read, by messages in
  very many parts, and by messages that do not end.
- Clients that connect again only after a lost connection, and never after a close frame, get none
  when the server ends or when they missed a ping: see
  :data:`~dasf_broker.transports.connection.close_codes.DROP`.
"""

from __future__ import annotations

import struct
from asyncio import BaseTransport, TimerHandle, Transport, get_running_loop
from collections.abc import Callable
from time import perf_counter
from typing import TYPE_CHECKING, Any, cast

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.protocol import State

from dasf_broker import app_settings
from dasf_broker.concurrency.loop_local import LoopLocal
from dasf_broker.transports.connection.close_codes import DROP

if TYPE_CHECKING:
    from uvicorn._types import ASGISendEvent
    from websockets.frames import Frame

#: Most bytes of frames that are joined to one write.
JOINED = 64 * 1024

#: Bytes that are parsed at once. A frame takes about ten microseconds, and may have six bytes.
SLICE = 2 * 1024

#: Seconds of parsing in one turn of the event loop.
TURN = 0.001

#: The first byte of a text frame that is a message of its own (RFC 6455, section 5.2).
_TEXT = 0x81

#: The sizes from which on a length takes two bytes, and eight bytes.
_SIXTEEN_BITS, _SIXTY_FOUR_BITS = 126, 1 << 16

_SHORT, _MEDIUM, _LONG = struct.Struct("!BB"), struct.Struct("!BBH"), struct.Struct("!BBQ")


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """The protocol of one connection; uvicorn creates it."""

    _connection: Connection
    #: The answer to the newest ping, while the client reads nothing.
    _pong = b""
    #: Closes the connection unless the message that is being received ends in time.
    _deadline: TimerHandle | None = None
    #: Whether the client stays away after a close frame.
    _is_dropped = False

    def connection_made(self, transport: BaseTransport) -> None:
        """Start with a connection that joins writes and slices reads."""
        self._connection = Connection(cast("Transport", transport), self._parse)
        super().connection_made(cast("Transport", self._connection))

    def connection_lost(self, exc: Exception | None) -> None:
        """End, and release received data: other objects may keep this one for a while."""
        super().connection_lost(exc)
        self._cancel_deadline()
        self._connection.release_buffers()
        self._release_frames()
        self.conn.reader.buffer.clear()

    def data_received(self, data: bytes) -> None:
        """Parse received bytes in slices."""
        self._connection.receive(data)

    async def send(self, message: ASGISendEvent) -> None:
        """Send; text on an open socket, the most frequent message, without uvicorn's own checks."""
        is_ready = self.writable.is_set() and self.conn.state is State.OPEN
        text = message.get("text") if is_ready and message["type"] == "websocket.send" else None
        if text is None or self.conn.extensions or self.close_sent or self.disconnected:
            if message["type"] == "websocket.accept":
                self._is_dropped = bool(message.get(DROP))
            await super().send(message)
        else:
            self._connection.write(text_frame(text))

    def shutdown(self) -> None:
        """End with the server: with a close frame, or as soon as everything is answered."""
        if not self._is_dropped or self.close_sent:
            super().shutdown()
            return
        self.stop_keepalive()
        # When the application has ended, the connection is closed: see `run_asgi`.
        self.queue.put_nowait({"type": "websocket.disconnect", "code": 1012})

    def keepalive_timeout(self) -> None:
        """End because the client answered no ping; it may only have been busy or asleep."""
        if self._is_dropped:
            self.stop_keepalive()
            self.transport.abort()
        else:
            super().keepalive_timeout()

    # --- memory that a client occupies --------------------------------------------------------

    def handle_ping(self) -> None:
        """Answer now, or answer only the newest ping later while the client reads nothing.

        RFC 6455, section 5.5.3, allows this.
        """
        if self.writable.is_set():
            super().handle_ping()
        elif pongs := self.conn.data_to_send():  # of all pings in a slice at once
            self._pong = pongs[-1]

    def resume_writing(self) -> None:
        """Continue, with the answer to the newest ping first."""
        super().resume_writing()
        if self._pong:
            pong, self._pong = self._pong, b""
            self._connection.write(pong)

    def handle_cont(self, event: Frame) -> None:
        """Join small parts of a message: a separate part takes many times its size."""
        part = bytes(event.data)
        if len(self.frames[-1]) < JOINED:
            self.frames[-1] += part
        else:
            self.frames.append(part)
        if event.fin:
            self.frames = [b"".join(self.frames)]
            self.send_receive_event_to_app()

    def handle_parser_exception(self) -> None:
        """Close, and release a message that will never be complete."""
        super().handle_parser_exception()
        self._release_frames()

    def send_receive_event_to_app(self) -> None:
        """Hand over a message, which is complete."""
        self._cancel_deadline()
        super().send_receive_event_to_app()

    def _parse(self, data: bytes) -> None:
        super().data_received(data)
        is_partial = self.frames or self.conn.reader.buffer
        if is_partial and self._deadline is None and not self.disconnected:
            self._set_deadline()
        elif not is_partial:
            self._cancel_deadline()

    def _set_deadline(self) -> None:
        self._deadline = self.loop.call_later(app_settings.DASF_BODY_TIMEOUT, self._give_up)

    def _cancel_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _give_up(self) -> None:
        if self._connection.is_unparsed:
            self._set_deadline()  # it is the application that has no time
        else:
            self._deadline = None
            self.transport.abort()

    def _release_frames(self) -> None:
        self.frames = []
        self.conn.events_received()
        if self.conn.parser_exc is not None:  # its traceback keeps what was being parsed
            self.conn.parser_exc.__traceback__ = None


class Connection:
    """A transport that joins writes, and parses received bytes in slices.

    Parameters
    ----------
    transport
        The transport of the server, to which all other methods are delegated.
    parse
        Parses received bytes.
    """

    def __init__(self, transport: Transport, parse: Callable[[bytes], None]) -> None:
        self._transport = transport
        self._parse = parse
        self._unwritten: list[bytes] = []
        self._size = 0
        #: The bytes that were read, and how many of them were parsed.
        self._read = b""
        self._parsed = 0
        self._is_held = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def release_buffers(self) -> None:
        """Release all buffers: the connection is closed."""
        self._unwritten, self._size, self._read, self._parsed = [], 0, b"", 0

    # --- writing ------------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        """Write at the end of this turn of the event loop, or earlier if the buffer is full."""
        if not self._unwritten:
            get_running_loop().call_soon(self._flush)
        self._unwritten.append(data)
        self._size += len(data)
        if self._size >= JOINED:
            self._flush()

    def _flush(self) -> None:
        if self._unwritten:
            data = b"".join(self._unwritten)
            self._unwritten, self._size = [], 0
            self._transport.write(data)

    def close(self) -> None:
        """Close the connection when everything is written."""
        self._flush()
        self._transport.close()

    def get_write_buffer_size(self) -> int:
        """Return how many bytes the client has not read."""
        return self._size + self._transport.get_write_buffer_size()

    # --- reading ------------------------------------------------------------------------------

    def receive(self, data: bytes) -> None:
        """Parse few bytes now, and more bytes in slices, in turn with other clients."""
        if len(data) <= SLICE and not self._has_more:
            self._parse(data)
            return
        self._read = self._read[self._parsed :] + data
        self._parsed = 0
        self._transport.pause_reading()
        _queues.get().add(self)

    def pause_reading(self) -> None:
        """Parse nothing while the application is busy."""
        self._is_held = True
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Continue with the bytes that were read already, then with the network."""
        self._is_held = False
        if self._has_more:
            _queues.get().add(self)
        else:
            self._transport.resume_reading()

    def parse_for_one_turn(self) -> None:
        """Parse slices for the time of one turn of the event loop."""
        end = perf_counter() + TURN
        while self._has_more and not self._is_held and perf_counter() < end:
            part = self._read[self._parsed : self._parsed + SLICE]
            self._parsed += SLICE
            self._parse(part)
            if self._transport.is_closing():
                self._read, self._parsed = b"", 0
                return
        if not self._is_held:
            self.resume_reading()

    @property
    def is_unparsed(self) -> bool:
        """Whether the application is busy, or received bytes wait to be parsed."""
        return self._is_held or self._has_more

    @property
    def _has_more(self) -> bool:
        return self._parsed < len(self._read)


class Queue:
    """The connections with more to parse; one of them parses in each turn of the event loop."""

    def __init__(self) -> None:
        self._waiting: dict[Connection, None] = {}

    def add(self, connection: Connection) -> None:
        """Add a connection at the end of the queue."""
        if not self._waiting:
            get_running_loop().call_soon(self._parse_next)
        self._waiting[connection] = None

    def _parse_next(self) -> None:
        connection = next(iter(self._waiting))
        del self._waiting[connection]
        if self._waiting:
            get_running_loop().call_soon(self._parse_next)
        connection.parse_for_one_turn()


_queues = LoopLocal(Queue)


def text_frame(text: str) -> bytes:
    """Return a text message as a server sends it: in one frame, not masked (RFC 6455)."""
    data = text.encode()
    size = len(data)
    if size < _SIXTEEN_BITS:
        return _SHORT.pack(_TEXT, size) + data
    if size < _SIXTY_FOUR_BITS:
        return _MEDIUM.pack(_TEXT, _SIXTEEN_BITS, size) + data
    return _LONG.pack(_TEXT, _SIXTEEN_BITS + 1, size) + data
