"""Read for all who ask at once: while one read runs, what is asked gathers for the next."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import Generic, TypeVar

from dasf_broker import app_settings, database
from dasf_broker.concurrency.futures import answer, fail, in_time
from dasf_broker.concurrency.loop_local import PerLoop

Key = TypeVar("Key")
Value = TypeVar("Value")

#: Keys of one read.
BATCH = 500


@dataclass(slots=True)
class _Round(Generic[Key, Value]):
    """What is asked for in one event loop."""

    #: A future for each who asks: who asked first may go while others wait for the same.
    waiting: dict[Key, list[asyncio.Future[Value | None]]] = field(default_factory=dict)
    task: asyncio.Task[None] | None = None


class Gathering(Generic[Key, Value]):
    """Shares the cost of a query among those who need it at the same time.

    Nothing is remembered: whoever asks gets what was in the database after they asked.

    Parameters
    ----------
    load
        Reads the values of some keys; those that have none are missing.
    """

    def __init__(self, load: Callable[[Collection[Key]], Mapping[Key, Value]]) -> None:
        self._load = load
        self._rounds: PerLoop[_Round[Key, Value]] = PerLoop(_Round)

    async def get(self, key: Key) -> Value | None:
        """Return the value of a key, or nothing if it has none.

        Raises
        ------
        UnavailableError
            The database does not answer.
        """
        loop = asyncio.get_running_loop()
        current = self._rounds.get()
        future: asyncio.Future[Value | None] = loop.create_future()
        current.waiting.setdefault(key, []).append(future)
        if current.task is None:
            current.task = loop.create_task(self._read(current), name="dasf-gathering")
        # From now on, and not from when the read that runs already is done or given up.
        return await in_time(future, app_settings.DASF_DATABASE_TIMEOUT, database.not_done)

    async def _read(self, current: _Round[Key, Value]) -> None:
        try:
            while current.waiting:
                keys = list(current.waiting)[:BATCH]
                asked = {key: current.waiting.pop(key) for key in keys}
                try:
                    found = await database.read(self._load, keys)
                except Exception as error:  # noqa: BLE001 - it is told to who asked
                    for future in chain(*asked.values()):
                        fail(future, error)
                else:
                    for key, futures in asked.items():
                        for future in futures:
                            answer(future, found.get(key))
        finally:
            current.task = None
