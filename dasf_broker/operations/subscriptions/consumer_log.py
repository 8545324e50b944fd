"""When one process last wrote about its consumers to the database, to limit how often it does."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Hashable
from typing import Any
from uuid import UUID

#: Seconds between two signs of life of a topic's consumers that one process writes, and between
#: two pings for those that arrive.
PONG_STEP = 5.0


class ConsumerLog:
    """The arrivals, signs of life and departures of one event loop's consumers."""

    def __init__(self) -> None:
        #: By topic and last ping: when a sign of life was written.
        self._alive = _Lately()
        #: By topic: when it was pinged for a consumer that arrived.
        self._pinged = _Lately()
        #: Tasks that write arrivals and departures.
        self._writing: set[asyncio.Task[None]] = set()

    def is_due(self, slug: str, last_ping: UUID | None) -> bool:
        """Tell whether to write a sign of life; if so, take it as written.

        Parameters
        ----------
        slug
            The topic.
        last_ping
            The id of the last ping to the consumer: the first answer to a ping is always written.
        """
        return self._alive.is_new((slug, last_ping))

    def may_ping(self, topic_id: int) -> bool:
        """Tell whether to ping a topic for a consumer that arrived; if so, take it as done."""
        return self._pinged.is_new(topic_id)

    def write_later(self, writing: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Write in a task of its own, which outlives the task of the consumer."""
        task = asyncio.create_task(writing)
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)
        return task


class _Lately:
    """What was written in the last seconds."""

    def __init__(self) -> None:
        #: Oldest first.
        self._written_at: dict[Hashable, float] = {}

    def is_new(self, key: Hashable) -> bool:
        """Tell whether this was not written lately; if so, take it as written."""
        now, written = time.monotonic(), self._written_at
        while written and written[first := next(iter(written))] < now - PONG_STEP:
            del written[first]
        if key in written:
            return False
        written[key] = now
        return True
