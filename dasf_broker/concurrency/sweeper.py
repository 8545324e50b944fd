"""Look after things that are open: all of them at once, again and again, while there are any."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from dasf_broker.concurrency.loop_local import PerLoop
from dasf_broker.concurrency.outage_log import Outage

logger = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(slots=True)
class _Beat(Generic[T]):
    """What is looked after in one event loop."""

    items: set[T] = field(default_factory=set)
    task: asyncio.Task[None] | None = None


class Patrol(Generic[T]):
    """A task in each event loop that looks at all items which are open there.

    Parameters
    ----------
    name
        Of the task, and in the log where a look fails. The next one is taken all the same.
    look
        Is given all items. One call for all is the point: what it asks the database must not
        grow with their number.
    interval
        Seconds between two looks.
    """

    def __init__(
        self, name: str, look: Callable[[Collection[T]], Awaitable[None]], interval: float
    ) -> None:
        self.interval = interval
        self._name = name
        self._look = look
        self._outage = Outage(logger, f"A look of {name}")
        self._beats: PerLoop[_Beat[T]] = PerLoop(_Beat)

    def over(self, item: T) -> AbstractContextManager[None]:
        """Return a context: as long as it lasts, the item is looked after."""
        return _Stay(self, item)

    def _enter(self, item: T) -> None:
        beat = self._beats.get()
        beat.items.add(item)
        if beat.task is None:
            beat.task = asyncio.create_task(self._walk(beat), name=self._name)

    def _leave(self, item: T) -> None:
        beat = self._beats.get()
        beat.items.discard(item)
        if not beat.items and beat.task is not None:
            beat.task.cancel()
            beat.task = None

    async def _walk(self, beat: _Beat[T]) -> None:
        while True:
            await asyncio.sleep(self.interval)
            try:
                await self._look(tuple(beat.items))
            except Exception:  # noqa: BLE001 - the database, most likely: it will come back
                self._outage.note()
            else:
                self._outage.over()


@dataclass(frozen=True, slots=True)
class _Stay(AbstractContextManager[None], Generic[T]):
    """One item's time under a patrol. There are several for each socket, so it is small."""

    patrol: Patrol[T]
    item: T

    def __enter__(self) -> None:
        self.patrol._enter(self.item)

    def __exit__(self, *_: object) -> None:
        self.patrol._leave(self.item)
