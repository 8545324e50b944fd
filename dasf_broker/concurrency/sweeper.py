"""Periodic checks of open items: of all items of a kind at once, as long as there are any."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from dasf_broker.concurrency.outage_log import OutageLog

logger = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(slots=True, eq=False)
class Sweep(Generic[T]):
    """A kind of item, and the check for all open ones."""

    #: The name of the task, also in the log if a check fails. The next check is made all the same.
    name: str
    #: Gets all items. The number of its queries must not grow with their number.
    check: Callable[[Collection[T]], Awaitable[None]]
    #: Seconds between two checks.
    interval: float


class Sweeper:
    """Checks the open items of an event loop. Each kind has a task while there are any.

    One task for all kinds would be held up by a database that does not answer, and would then not
    end the connections of clients that read nothing.
    """

    def __init__(self) -> None:
        self._open: dict[Sweep[Any], _Open[Any]] = {}

    def include(self, sweep: Sweep[T], item: T) -> AbstractContextManager[None]:
        """Return a context: as long as it lasts, the item is checked."""
        return _Included(self, sweep, item)

    def count(self, sweep: Sweep[Any]) -> int:
        """Return how many items of a kind are open."""
        return len(self._open[sweep].items) if sweep in self._open else 0

    def _add(self, sweep: Sweep[T], item: T) -> None:
        if sweep not in self._open:
            self._open[sweep] = _Open(asyncio.create_task(self._repeat(sweep), name=sweep.name))
        self._open[sweep].items.add(item)

    def _remove(self, sweep: Sweep[T], item: T) -> None:
        items = self._open[sweep].items
        items.discard(item)
        if not items:
            self._open.pop(sweep).task.cancel()

    async def _repeat(self, sweep: Sweep[Any]) -> None:
        outage = OutageLog(logger, f"The periodic check {sweep.name}")
        while True:
            await asyncio.sleep(sweep.interval)
            try:
                await sweep.check(tuple(self._open[sweep].items))
            except Exception:  # noqa: BLE001 - the database, most likely: it will come back
                outage.failed()
            else:
                outage.recovered()


@dataclass(frozen=True, slots=True)
class _Open(Generic[T]):
    """The open items of one kind."""

    task: asyncio.Task[None]
    items: set[T] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class _Included(AbstractContextManager[None], Generic[T]):
    """The context of one item. There are several for each socket, so it is small."""

    sweeper: Sweeper
    sweep: Sweep[T]
    item: T

    def __enter__(self) -> None:
        self.sweeper._add(self.sweep, self.item)

    def __exit__(self, *_: object) -> None:
        self.sweeper._remove(self.sweep, self.item)
