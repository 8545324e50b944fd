"""Give up sockets whose client takes nothing any more.

A client that stopped reading, because it hangs or its network is gone, would keep its socket, its
buffers and its subscriptions for ever: the server waits politely for room in a buffer that nobody
empties. What a slow client misses meanwhile costs nothing (see :mod:`.mailbox`); one that takes no
single frame for ``DASF_SEND_TIMEOUT`` seconds is cut off.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from typing import Any

from dasf_broker import app_settings, runtime
from dasf_broker.concurrency.sweeper import Sweep
from dasf_broker.transports.connection.handshake import Send

logger = logging.getLogger(__name__)


class Outlet:
    """Sends frames to one client, and knows since when one of them waits."""

    __slots__ = ("_buffered", "_deadline", "_ended", "_moved_at", "_seen", "_send", "_waiting")

    def __init__(self, send: Send, deadline: asyncio.Timeout) -> None:
        self._send = send
        self._deadline = deadline
        #: Frames that wait, and frames that do not any more.
        self._waiting = self._ended = 0
        #: As of the last look: the latter, the bytes that the server held, and when it moved.
        self._seen = self._buffered = 0
        self._moved_at = asyncio.get_running_loop().time()

    async def __call__(self, message: Any) -> None:
        """Send, and wait for room in the client's buffers."""
        self._waiting += 1
        try:
            await self._send(message)
        finally:
            self._waiting -= 1
            self._ended += 1

    def give_up_if_stuck(self, now: float, limit: float) -> None:
        """End the socket if nothing went out for longer than ``limit`` seconds, and should have.

        A frame waits once the server's buffer is full. With less in it nobody waits; but a server
        that closes the connection, after a ping without answer say, lets it be read first.
        """
        before, self._buffered = self._buffered, self._buffer_size()
        seen, self._seen = self._seen, self._ended
        has_something_to_send = self._waiting or 0 < before <= self._buffered
        if seen != self._ended or not has_something_to_send:
            self._moved_at = now
        elif now - self._moved_at > limit and not self._deadline.expired():
            self._deadline.reschedule(now)

    def abort(self) -> None:
        """Drop the connection with what is buffered, where the server lets us.

        ASGI has no way to say that, and closing waits for the buffer to be read. The protocols
        of uvicorn pass their own method as ``send``; elsewhere the system's time-outs must do.
        """
        if (abort := getattr(self._transport, "abort", None)) is not None:
            abort()

    @property
    def _transport(self) -> Any:
        return getattr(getattr(self._send, "__self__", None), "transport", None)

    def _buffer_size(self) -> int:
        size = getattr(self._transport, "get_write_buffer_size", None)
        return 0 if size is None else int(size())


@asynccontextmanager
async def outlet(send: Send) -> AsyncIterator[Outlet]:
    """Watch over what is sent as long as the context lasts; end it when the client is stuck."""
    try:
        async with asyncio.timeout(None) as deadline:
            made = Outlet(send, deadline)
            with runtime.current().sweeper.include(SENDS, made):
                yield made
    except TimeoutError:
        if not deadline.expired():
            raise
        logger.info("A client took no frame for too long; its socket is given up.")
        made.abort()


async def _look(outlets: Collection[Outlet]) -> None:
    now, limit = asyncio.get_running_loop().time(), app_settings.DASF_SEND_TIMEOUT
    for each in outlets:
        each.give_up_if_stuck(now, limit)


#: What is sent on all connections, looked at once a second.
SENDS: Sweep[Outlet] = Sweep("dasf-sends", _look, 1.0)
