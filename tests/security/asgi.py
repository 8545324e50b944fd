"""The test project, and beside it ``/turns``: for how long the event loop was held up.

Counted in processor time of the loop's thread, so that what else runs on the machine has no part
in it; the longest time between two turns of a timer since it was last asked.
"""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

from testproject.asgi import application as broker
from tests.endurance.memory import resident_memory

#: Seconds between two turns, where nothing holds up the loop.
TURN = 0.001


class _Ticker:
    """Notes how much the thread worked from one turn to the next."""

    def __init__(self) -> None:
        self.longest = 0.0
        self._task: asyncio.Task[None] | None = None

    def ask(self) -> float:
        """Return the longest time since this was called before; begin with the first call."""
        if self._task is None:
            self._task = asyncio.create_task(self._tick())
        longest, self.longest = self.longest, 0.0
        return longest

    async def _tick(self) -> None:
        last = time.thread_time()
        while True:
            await asyncio.sleep(TURN)
            now = time.thread_time()
            self.longest, last = max(self.longest, now - last), now


_ticker = _Ticker()


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Answer ``/turns``, and leave the rest to the broker."""
    if scope["type"] != "http" or scope["path"] != "/turns":
        await broker(scope, receive, send)
        return
    body = json.dumps({"longest": _ticker.ask(), "memory": resident_memory("self")}).encode()
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
