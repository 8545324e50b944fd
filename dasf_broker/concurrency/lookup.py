"""Reads of values by their keys, which concurrent callers share."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from typing import Generic, TypeVar

from dasf_broker.concurrency.batching import Batcher
from dasf_broker.concurrency.threads import ThreadPool

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class Lookup(Generic[Key, Value]):
    """Reads values by their keys, with one query for all concurrent callers.

    Nothing is cached: a caller gets values that are read after its call.

    Parameters
    ----------
    pool
        The threads to use.
    load
        Reads the values of some keys; keys without a value are missing.
    is_outage
        As for :class:`Batcher`.
    """

    def __init__(
        self,
        pool: ThreadPool,
        load: Callable[[Collection[Key]], Mapping[Key, Value]],
        is_outage: Callable[[BaseException], bool] = lambda _: False,
    ) -> None:
        self._load = load
        self._batcher: Batcher[Key, Value | None] = Batcher(
            pool, self._load_all, is_outage=is_outage
        )

    async def get(self, key: Key) -> Value | None:
        """Return the value of a key, or ``None`` if it has none."""
        [value] = await self._batcher([key])
        return value

    def _load_all(self, keys: Sequence[Key]) -> list[Value | None]:
        found = self._load([*dict.fromkeys(keys)])
        return [found.get(key) for key in keys]
