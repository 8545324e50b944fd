"""End connections whose client no longer reads, on websockets and over HTTP.

Without this, a client that stopped reading, because its program or its network failed, would keep
its socket, buffers and subscriptions for ever: the server waits for room in a buffer that is never
read. A slow client is not ended: the messages that wait for it are limited (see
:mod:`dasf_broker.realtime.mailbox`). A client that accepts not a single frame for
``DASF_SEND_TIMEOUT`` seconds is disconnected.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Collection, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import Any

from dasf_broker import app_settings, runtime
from dasf_broker.concurrency.sweeper import Sweep
from dasf_broker.transports.connection.handshake import Send

logger = logging.getLogger(__name__)


class ClosedConnectionError(ConnectionResetError):
    """The server has closed the connection already, for example because nobody read an answer."""


class TimedSend:
    """Sends frames to one client, and records when it last accepted one."""

    __slots__ = (
        "_accepted",
        "_buffered",
        "_deadline",
        "_moved_at",
        "_seen",
        "_send",
        "_sent",
        "_waiting",
    )

    def __init__(self, send: Send, deadline: asyncio.Timeout | None = None) -> None:
        self._send = send
        #: Ends the sender; without it the connection is dropped, which the sender notices.
        self._deadline = deadline
        #: Frames that wait, and frames that were sent.
        self._waiting = self._sent = 0
        #: Set when no frame waits; only if a caller waits for that.
        self._accepted: asyncio.Event | None = None
        #: At the last check: frames sent, bytes in the server's buffer, and when either changed.
        self._seen = self._buffered = 0
        self._moved_at = asyncio.get_running_loop().time()

    async def __call__(self, message: Any) -> None:
        """Send, and wait for room in the client's buffers."""
        self._waiting += 1
        try:
            await send_unless_closed(self._send, message)
        finally:
            self._waiting -= 1
            self._sent += 1
            if self._accepted is not None and not self._waiting:
                self._accepted.set()
                self._accepted = None

    @property
    def __self__(self) -> Any:
        """What leads to the transport: see :func:`abort`."""
        return _protocol(self._send)

    @property
    def has_expired(self) -> bool:
        """Whether the client accepted nothing for too long."""
        return self._deadline is not None and self._deadline.expired()

    async def until_accepted(self) -> None:
        """Wait until no frame waits: more results than wait already would only occupy memory."""
        while self._waiting:
            if self._accepted is None:
                self._accepted = asyncio.Event()
            await self._accepted.wait()

    def expire_if_stalled(self, now: float, limit: float) -> None:
        """End the connection if frames wait and none was accepted for ``limit`` seconds.

        A frame waits while the server's buffer is full. With less in the buffer no frame waits; but
        a server that closes the connection, for example after a ping without an answer, first waits
        until the client has read the buffer.
        """
        before, self._buffered = self._buffered, buffer_size(self._send) or 0
        seen, self._seen = self._seen, self._sent
        has_something_to_send = self._waiting or 0 < before <= self._buffered
        if seen != self._sent or not has_something_to_send:
            self._moved_at = now
        elif now - self._moved_at <= limit:
            pass
        elif self._deadline is None:
            abort(self._send)
        elif not self._deadline.expired():
            self._deadline.reschedule(now)


@asynccontextmanager
async def send_with_timeout(send: Send) -> AsyncIterator[TimedSend]:
    """Yield a ``send`` for a context, which ends if the client no longer reads."""
    try:
        async with asyncio.timeout(None) as deadline:
            timed = TimedSend(send, deadline)
            with runtime.current().sweeper.include(SENDS, timed):
                yield timed
    except TimeoutError:
        if not deadline.expired():
            raise
        logger.info("A client accepted no frame within DASF_SEND_TIMEOUT and was disconnected.")
        abort(send)


@contextmanager
def abort_if_stalled(send: Send) -> Iterator[TimedSend]:
    """Yield a ``send`` for an application that ends by itself when its client is disconnected.

    Django does: it cancels what it does for a request.
    """
    timed = TimedSend(send)
    with runtime.current().sweeper.include(SENDS, timed):
        yield timed


async def drop_unless_read(send: Send) -> None:
    """Wait until a client has read its complete answer; drop the connection if it reads nothing.

    Closing the connection waits for the same, but without an end.
    """
    clock = asyncio.get_running_loop().time
    before, moved_at = 0, clock()
    while size := buffer_size(send):
        if size != before:
            before, moved_at = size, clock()
        elif clock() - moved_at > app_settings.DASF_SEND_TIMEOUT:
            abort(send)
        await asyncio.sleep(SENDS.interval)


def buffer_size(send: Send) -> int | None:
    """Return how many bytes of a server's buffer a client has not read, if the server tells."""
    size = getattr(_transport(send), "get_write_buffer_size", None)
    return None if size is None else int(size())


async def send_unless_closed(send: Send, message: Any) -> None:
    """Send a message.

    Raises
    ------
    ClosedConnectionError
        The server closed the connection before, or while the message waited for room. Servers only
        fail to write then, with errors of their own.
    """
    try:
        await send(message)
    except RuntimeError as error:  # uvloop's
        if not _is_closed(send):
            raise
        raise ClosedConnectionError(str(error)) from None


def _is_closed(send: Send) -> bool:
    is_closing = getattr(_transport(send), "is_closing", None)
    return is_closing is not None and bool(is_closing())


def abort(send: Send) -> None:
    """Drop a connection with its buffer, if the server allows it.

    ASGI has no message for it, and closing waits until the buffer is read. Some servers pass as
    ``send`` what leads to the transport: uvicorn, gunicorn and daphne. With other servers the
    timeouts of the operating system end the connection.
    """
    _call_first(_transport(send), "abort", "abortConnection")


def drop(send: Send) -> bool:
    """Close a connection without a close frame; tell whether the server allows it.

    As :func:`abort`, but after everything that was sent.
    """
    return _call_first(_transport(send), "close", "loseConnection")


async def close_websocket(send: Send, code: int, reason: str = "") -> None:
    """Close a websocket with a code, or without a close frame if the server cannot send the code.

    daphne sends only 1000 and codes from 3000 on. A client that gets no close frame connects again,
    as it does after 1012 and 1013.
    """
    try:
        # A plain number: daphne takes no other type.
        await send({"type": "websocket.close", "code": int(code), "reason": reason})
    except OSError:
        raise
    except Exception:
        if not drop(send):
            raise


def _call_first(transport: Any, *names: str) -> bool:
    """Call the first of these methods that there is; Twisted has other names than asyncio."""
    methods = [method for name in names if (method := getattr(transport, name, None)) is not None]
    for method in methods[:1]:
        method()
    return bool(methods)


def _transport(send: Send) -> Any:
    return getattr(_protocol(send), "transport", None)


def _protocol(send: Any) -> Any:
    if isinstance(send, partial):  # of daphne, for one protocol
        return next(iter(send.args), None)
    return getattr(send, "__self__", None)


async def _check(sends: Collection[TimedSend]) -> None:
    now, limit = asyncio.get_running_loop().time(), app_settings.DASF_SEND_TIMEOUT
    for each in sends:
        each.expire_if_stalled(now, limit)


#: The sending of all connections, checked once a second.
SENDS: Sweep[TimedSend] = Sweep("dasf-sends", _check, 1.0)
