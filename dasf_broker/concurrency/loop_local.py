"""What each event loop has one of.

A server has one loop. Tests and scripts have several in a process, one after the other or beside
each other in threads, and what belongs to a loop must not be used in another one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar
from weakref import WeakKeyDictionary

T = TypeVar("T")


class LoopLocal(Generic[T]):
    """Something for each event loop, which goes with it.

    Parameters
    ----------
    make
        Makes it when a loop needs it first; never ``None``.
    """

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._made: WeakKeyDictionary[asyncio.AbstractEventLoop, T] = WeakKeyDictionary()

    def get(self) -> T:
        """Return the running loop's own; make it if there is none. Raises what ``make`` does."""
        loop = asyncio.get_running_loop()
        made = self._made.get(loop)
        if made is None:
            made = self._made[loop] = self._make()
        return made
