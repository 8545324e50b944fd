"""When one process last wrote about its consumers to the database, to limit how often it does."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from typing import Any
from uuid import UUID

#: Seconds between two signs of life of a topic's consumers that one process writes.
PONG_STEP = 5.0


class ConsumerLog:
    """The signs of life, and the departures, of one event loop's consumers."""

    def __init__(self) -> None:
        #: By topic and last ping, oldest first: when a sign of life was written.
        self._alive_at: dict[tuple[str, UUID | None], float] = {}
        #: Tasks that write departures.
        self._departures: set[asyncio.Task[None]] = set()

    def is_due(self, slug: str, last_ping: UUID | None) -> bool:
        """Tell whether to write a sign of life; if so, take it as written.

        Parameters
        ----------
        slug
            The topic.
        last_ping
            The id of the last ping to the consumer: the first answer to a ping is always written.
        """
        now = time.monotonic()
        while self._alive_at and self._alive_at[first := next(iter(self._alive_at))] < (
            now - PONG_STEP
        ):
            del self._alive_at[first]
        if (slug, last_ping) in self._alive_at:
            return False
        self._alive_at[slug, last_ping] = now
        return True

    def depart(self, departure: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Write a departure in a task of its own, which outlives the task of the consumer."""
        task = asyncio.create_task(departure)
        self._departures.add(task)
        task.add_done_callback(self._departures.discard)
        return task
