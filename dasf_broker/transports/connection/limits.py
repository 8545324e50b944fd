"""How many sockets there may be: of a user, of an address, and of who is nobody in person.

Counted in one process, because sockets are what costs it memory. An address is refused before
anything is done for it, a user as soon as it is known who they are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from dasf_broker import app_settings
from dasf_broker.exceptions import RateLimitedError
from dasf_broker.operations.caller import Caller

#: Seconds after which a client that is refused may look whether there is room.
RETRY = 5

#: Stands for everybody for whom nobody vouched.
_NOBODY = ("nobody",)

#: Sockets that are open. What has none is not in here.
_open: Counter[tuple[Any, ...]] = Counter()


class Seat:
    """The place of one socket among the others."""

    def __init__(self) -> None:
        self._held: set[tuple[Any, ...]] = set()

    def give_to(self, caller: Caller) -> None:
        """Note whose socket it is.

        Raises
        ------
        RateLimitedError
            The user has too many.
        """
        if not caller.is_anonymous:
            limit = app_settings.DASF_MAX_SOCKETS_PER_USER
            self._take(("user", caller.user.pk), limit, "of yours")
            self._leave(_NOBODY)

    def take(self, address: str | None) -> None:
        """Take a place for somebody who is nobody yet.

        Raises
        ------
        RateLimitedError
            The address has too many, or nobody in person has.
        """
        if address is not None:
            limit = app_settings.DASF_MAX_SOCKETS_PER_ADDRESS
            self._take(("address", address), limit, "of your address")
        limit = app_settings.DASF_MAX_UNAUTHENTICATED_SOCKETS
        self._take(_NOBODY, limit, "without a credential")

    def leave(self) -> None:
        """Make room."""
        for key in tuple(self._held):
            self._leave(key)

    def _take(self, key: tuple[Any, ...], limit: int, whose: str) -> None:
        if limit and _open[key] >= limit:
            raise RateLimitedError(
                f"There are {limit} open sockets {whose} already, which is the most.",
                retryAfter=RETRY,
                limit=limit,
            )
        _open[key] += 1
        self._held.add(key)

    def _leave(self, key: tuple[Any, ...]) -> None:
        self._held.discard(key)
        _open[key] -= 1
        if not _open[key]:
            del _open[key]


@contextmanager
def seat(address: str | None) -> Iterator[Seat]:
    """Have a place for a socket as long as the context lasts.

    Raises
    ------
    RateLimitedError
        There is none.
    """
    taken = Seat()
    try:
        taken.take(address)
        yield taken
    finally:
        taken.leave()


def open_sockets() -> dict[tuple[Any, ...], int]:
    """Return how many sockets there are, by whose they are."""
    return dict(_open)
