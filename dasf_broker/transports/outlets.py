"""Give up sockets whose client takes nothing any more.

A client that stopped reading, because it hangs or its network is gone, would keep its socket, its
buffers and its subscriptions for ever: the server waits politely for room in a buffer that nobody
empties. What a slow client misses meanwhile costs nothing (see :mod:`.mailbox`); one that takes no
single frame for ``DASF_SEND_TIMEOUT`` seconds is cut off.
"""

from __future__ import annotations

import asyncio
import logging
import weakref
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from dasf_broker import app_settings
from dasf_broker.transports.handshake import Send

logger = logging.getLogger(__name__)

#: Seconds between two looks at all sockets of an event loop.
INTERVAL = 1.0


class Outlet:
    """Sends frames to one client, and knows since when one of them waits."""

    __slots__ = ("__weakref__", "_moved_at", "_send", "_waiting")

    def __init__(self, send: Send) -> None:
        self._send = send
        self._waiting = 0
        self._moved_at = 0.0

    async def __call__(self, message: Any) -> None:
        """Send, and wait for room in the client's buffers."""
        loop = asyncio.get_running_loop()
        if not self._waiting:
            self._moved_at = loop.time()
        self._waiting += 1
        try:
            await self._send(message)
        finally:
            self._waiting -= 1
            self._moved_at = loop.time()

    def is_stuck(self, now: float) -> bool:
        """Tell whether a frame waits and none went out for longer than the settings allow."""
        return bool(self._waiting) and now - self._moved_at > app_settings.DASF_SEND_TIMEOUT

    def abort(self) -> None:
        """Drop the connection with what is buffered, where the server lets us.

        ASGI has no way to say that, and closing waits for the buffer to be read. The protocols
        of uvicorn pass their own method as ``send``; elsewhere the system's time-outs must do.
        """
        transport = getattr(getattr(self._send, "__self__", None), "transport", None)
        if (abort := getattr(transport, "abort", None)) is not None:
            abort()


class _Watch:
    """Looks after all open outlets of an event loop; rests while there are none."""

    def __init__(self) -> None:
        self._deadlines: dict[Outlet, asyncio.Timeout] = {}
        self._timer: asyncio.TimerHandle | None = None

    @contextmanager
    def over(self, watched: Outlet, deadline: asyncio.Timeout) -> Iterator[None]:
        self._deadlines[watched] = deadline
        if self._timer is None:
            self._look_later()
        try:
            yield
        finally:
            del self._deadlines[watched]
            if not self._deadlines and self._timer is not None:
                self._timer.cancel()
                self._timer = None

    def _look_later(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(INTERVAL, self._look)

    def _look(self) -> None:
        now = asyncio.get_running_loop().time()
        for watched, deadline in self._deadlines.items():
            if watched.is_stuck(now) and not deadline.expired():
                deadline.reschedule(now)
        self._look_later()


_watches: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _Watch] = weakref.WeakKeyDictionary()


@asynccontextmanager
async def outlet(send: Send) -> AsyncIterator[Outlet]:
    """Watch over what is sent as long as the context lasts; end it when the client is stuck."""
    made = Outlet(send)
    watch = _watches.setdefault(asyncio.get_running_loop(), _Watch())
    try:
        async with asyncio.timeout(None) as deadline:
            with watch.over(made, deadline):
                yield made
    except TimeoutError:
        if not deadline.expired():
            raise
        logger.info("A client took no frame for too long; its socket is given up.")
        made.abort()
