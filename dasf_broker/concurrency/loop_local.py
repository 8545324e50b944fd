"""Objects that each event loop has one of.

A server has one loop. Tests and scripts have several in a process, one after the other or beside
each other in threads, and an object of one loop must not be used in another.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar
from weakref import WeakKeyDictionary

T = TypeVar("T")


class LoopLocal(Generic[T]):
    """One object for each event loop, dropped together with the loop.

    Parameters
    ----------
    make
        Creates the object when a loop needs it first; never returns ``None``.
    """

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._made: WeakKeyDictionary[asyncio.AbstractEventLoop, T] = WeakKeyDictionary()

    def get(self) -> T:
        """Return the object of the running loop; create it if needed. Raises as ``make`` does."""
        loop = asyncio.get_running_loop()
        made = self._made.get(loop)
        if made is None:
            made = self._made[loop] = self._make()
        return made
