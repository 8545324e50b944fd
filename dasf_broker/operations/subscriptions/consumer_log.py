"""What one process wrote down lately of its consumers, so that it does not do it too often."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from typing import Any
from uuid import UUID

#: Seconds between the signs of life of a topic's consumers that one process writes down.
PONG_STEP = 5.0


class ConsumerLog:
    """The signs of life, and the departures, of one event loop's consumers."""

    def __init__(self) -> None:
        #: By topic and last ping, oldest first: when a sign of life was written down.
        self._alive_at: dict[tuple[str, UUID | None], float] = {}
        #: Departures that are being written down.
        self._departures: set[asyncio.Task[None]] = set()

    def is_due(self, slug: str, last_ping: UUID | None) -> bool:
        """Tell whether a sign of life is to be written down, and note that it was.

        Parameters
        ----------
        slug
            The topic.
        last_ping
            The id of the last ping that the consumer was sent: its first answer always counts.
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
        """Write a departure down in a task of its own, which outlives the consumer's."""
        task = asyncio.create_task(departure)
        self._departures.add(task)
        task.add_done_callback(self._departures.discard)
        return task
