"""Work that needs rows which other transactions have locked: it is put aside until they are free.

Other work goes on meanwhile. What needs the same rows waits behind it without being tried, so that
the order is kept, and so that a lock is waited for once, and not by each piece of work.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Collection, Hashable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

#: Seconds between two looks at the locks. What waits for a row begins so long after it is free.
INTERVAL = 0.05

#: Seconds between two looks that also wait for a row, during which nothing else is done.
WAIT_INTERVAL = 0.5


class Needs(NamedTuple):
    """What a piece of work needs."""

    #: The rows that it locks.
    rows: frozenset[Hashable] = frozenset()
    #: Work with one of these in common is done in the order in which it came.
    order: frozenset[Hashable] = frozenset()

    def joined(self, other: Needs) -> Needs:
        """Return what both need."""
        return Needs(self.rows | other.rows, self.order | other.order)


class Owner(Protocol):
    """A queue of work."""

    def take_back(self, entries: Sequence[Any]) -> None:
        """Put entries back, before all others; called under the lock of :class:`LockedRows`."""

    def refuse(self, entries: Sequence[Any]) -> None:
        """Give entries up: the time is over."""

    def resume(self) -> None:
        """Go on with what was put back."""


@dataclass(frozen=True, slots=True)
class _Held:
    owner: Owner
    needs: Needs
    #: When it is given up, if its caller has not done so before.
    deadline: float


#: Returns those of some rows that are locked. For one of them, it waits for a moment.
FindLocked = Callable[[Collection[Hashable], Hashable | None], Collection[Hashable]]


class LockedRows:
    """Work that was put aside, and the rows that it waits for.

    Only :meth:`look` takes the lock itself; call the other methods under it.

    Parameters
    ----------
    lock
        Guards it, and the queues of the owners.
    """

    def __init__(self, lock: AbstractContextManager[Any]) -> None:
        self._lock = lock
        self._held: dict[Hashable, _Held] = {}
        #: The rows that were locked at the last look. The one that was waited for last is the last.
        self._locked: dict[Hashable, None] = {}
        #: The orders of all that is held. Too many until the next look, if some was withdrawn.
        self._orders: set[Hashable] = set()
        #: When a look may wait again.
        self._waits_from = 0.0

    def __bool__(self) -> bool:
        """Tell whether it has to look at the locks."""
        return bool(self._held or self._locked)

    def block(self, needs: Needs) -> bool:
        """Tell whether work has to wait, for a row or behind other work."""
        return not (needs.rows.isdisjoint(self._locked) and needs.order.isdisjoint(self._orders))

    def note(self, rows: Collection[Hashable]) -> None:
        """Note that rows are locked."""
        self._locked.update(dict.fromkeys(rows))

    def hold(self, entry: Hashable, owner: Owner, needs: Needs, seconds: float) -> None:
        """Put work aside, for so many seconds at most."""
        self._held[entry] = _Held(owner, needs, time.monotonic() + seconds)
        self._orders |= needs.order

    def withdraw(self, entry: object) -> bool:
        """Remove work that is held; return whether it was."""
        return self._held.pop(entry, None) is not None

    def look(self, find: FindLocked) -> None:
        """Look at the locks, and let go on what no longer waits for one."""
        with self._lock:
            rows = {row for each in self._held.values() for row in each.needs.rows}
            waited_for = self._next_to_wait_for(rows)
        locked = find(rows, waited_for)
        with self._lock:
            self._note_only(locked, waited_for)
            free, late = self._sorted_out(time.monotonic())
            for owner, entries in free.items():
                owner.take_back(entries)
        for owner in free:
            owner.resume()
        for owner, entries in late.items():
            owner.refuse(entries)

    def _next_to_wait_for(self, rows: Collection[Hashable]) -> Hashable | None:
        if (now := time.monotonic()) < self._waits_from:
            return None
        self._waits_from = now + WAIT_INTERVAL
        return next((row for row in self._locked if row in rows), None)

    def _note_only(self, locked: Collection[Hashable], waited_for: Hashable) -> None:
        known = [row for row in self._locked if row in locked and row != waited_for]
        self._locked = dict.fromkeys([*known, *locked])
        if waited_for in self._locked:  # its turn is over
            del self._locked[waited_for]
            self._locked[waited_for] = None

    def _sorted_out(
        self, now: float
    ) -> tuple[dict[Owner, list[Hashable]], dict[Owner, list[Hashable]]]:
        """Remove what need not wait any more, and what waited too long; return both by owner."""
        held, self._held, self._orders = self._held, {}, set()
        free: dict[Owner, list[Hashable]] = defaultdict(list)
        late: dict[Owner, list[Hashable]] = defaultdict(list)
        for entry, each in held.items():
            if now > each.deadline:
                late[each.owner].append(entry)
            elif self.block(each.needs):
                self._held[entry] = each
                self._orders |= each.needs.order
            else:
                free[each.owner].append(entry)
        return free, late
