"""A queue in which callers take turns, however much each of them asks for."""

from __future__ import annotations

from collections import Counter, OrderedDict
from typing import Generic, TypeVar

from dasf_broker.concurrency.shares import Share

Entry = TypeVar("Entry")


class FairQueue(Generic[Entry]):
    """Entries of several shares: one of each share in turn, and few of one share at a time.

    Entries without a share come first, and are not limited. An entry that was taken is in progress
    until :meth:`finish`. It has no lock.

    Parameters
    ----------
    per_share
        Most entries of one share in progress.
    """

    def __init__(self, per_share: int) -> None:
        self._per_share = per_share
        self._first: OrderedDict[Entry, None] = OrderedDict()
        #: The entries of each share, the share whose turn is next first. Shares that have as many
        #: in progress as they may are in `_full`.
        self._ready: OrderedDict[Share, OrderedDict[Entry, None]] = OrderedDict()
        self._full: dict[Share, OrderedDict[Entry, None]] = {}
        self._shares: dict[Entry, Share] = {}
        self._in_progress: Counter[Share] = Counter()
        #: How many entries of each share were finished while others of it waited.
        self._finished: Counter[Share] = Counter()

    def __len__(self) -> int:
        """Return how many entries wait."""
        return len(self._first) + len(self._shares)

    @property
    def in_progress(self) -> int:
        """How many entries that have a share are in progress."""
        return self._in_progress.total()

    def put(self, entry: Entry, share: Share) -> None:
        """Add an entry."""
        if share is None:
            self._first[entry] = None
            return
        self._shares[entry] = share
        self._waiting(share)[entry] = None

    def take(self, most: int) -> tuple[Entry, Share] | None:
        """Take the next entry.

        Parameters
        ----------
        most
            Most entries in progress that have a share.

        Returns
        -------
        tuple or None
            The entry and its share, for :meth:`finish`; ``None`` if no entry may be taken now.
        """
        if self._first:
            return self._first.popitem(last=False)[0], None
        if not self._ready or self.in_progress >= most:
            return None
        share, waiting = self._ready.popitem(last=False)
        entry, _ = waiting.popitem(last=False)
        del self._shares[entry]
        self._in_progress[share] += 1
        self._return(share, waiting)  # behind the others
        return entry, share

    def finish(self, share: Share) -> None:
        """Note that an entry which was taken is no longer in progress."""
        if share is None:
            return
        self._in_progress[share] -= 1
        if not self._in_progress[share]:
            del self._in_progress[share]
        if (waiting := self._full.pop(share, None)) is not None:
            self._return(share, waiting)
        if share in self._ready:
            self._finished[share] += 1

    def finished(self, share: Share) -> int:
        """Return how many entries of a share were finished since one of it has waited."""
        return self._finished[share]

    def remove(self, entry: Entry) -> bool:
        """Remove an entry that waits; return whether it did."""
        if entry in self._first:
            del self._first[entry]
            return True
        if (share := self._shares.pop(entry, None)) is None:
            return False
        waiting = self._waiting(share)
        del waiting[entry]
        if not waiting:
            self._ready.pop(share, None)
            self._full.pop(share, None)
            self._finished.pop(share, None)
        return True

    def _waiting(self, share: Share) -> OrderedDict[Entry, None]:
        found = self._ready.get(share) or self._full.get(share)
        if found is None:
            found = OrderedDict()
            self._ready_or_full(share)[share] = found
        return found

    def _return(self, share: Share, waiting: OrderedDict[Entry, None]) -> None:
        if waiting:
            self._ready_or_full(share)[share] = waiting
        else:
            self._finished.pop(share, None)

    def _ready_or_full(self, share: Share) -> dict[Share, OrderedDict[Entry, None]]:
        return self._full if self._in_progress[share] >= self._per_share else self._ready
