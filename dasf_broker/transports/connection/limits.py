"""Limit the open sockets of a user, of an address, and without a credential.

Each process counts its own sockets, because they occupy its memory. A socket is refused because of
its address before any other work, and because of its user as soon as the user is identified.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

from dasf_broker import app_settings
from dasf_broker.exceptions import RateLimitedError
from dasf_broker.operations.caller import Caller

#: Seconds after which a client that is refused may try again.
RETRY_AFTER = 5

#: The key of a counter: a user, an address, or the sockets without a credential.
Key: TypeAlias = tuple[Any, ...]

_UNAUTHENTICATED: Key = ("unauthenticated",)

#: How many sockets are open, by key. A key without open sockets is removed.
open_sockets: Counter[Key] = Counter()


class SocketSlots:
    """The counters that one open socket increments."""

    def __init__(self) -> None:
        self._keys: set[Key] = set()

    def acquire(self, address: str | None) -> None:
        """Count a socket whose user is not known yet.

        Raises
        ------
        RateLimitedError
            The address has too many sockets, or there are too many without a credential.
        """
        if address is not None:
            limit = app_settings.DASF_MAX_SOCKETS_PER_ADDRESS
            self._add(("address", address), limit, "from your address")
        limit = app_settings.DASF_MAX_UNAUTHENTICATED_SOCKETS
        self._add(_UNAUTHENTICATED, limit, "without a credential")

    def assign_to(self, caller: Caller) -> None:
        """Count the socket for its user; for an anonymous caller nothing changes.

        Raises
        ------
        RateLimitedError
            The user has too many sockets.
        """
        if not caller.is_anonymous:
            limit = app_settings.DASF_MAX_SOCKETS_PER_USER
            self._add(("user", caller.user.pk), limit, "of your account")
            self._remove(_UNAUTHENTICATED)

    def release(self) -> None:
        """Stop counting the socket."""
        for key in tuple(self._keys):
            self._remove(key)

    def _add(self, key: Key, limit: int, whose: str) -> None:
        if limit and open_sockets[key] >= limit:
            raise RateLimitedError(
                f"There are already {limit} open sockets {whose}, the most allowed.",
                retryAfter=RETRY_AFTER,
                limit=limit,
            )
        open_sockets[key] += 1
        self._keys.add(key)

    def _remove(self, key: Key) -> None:
        self._keys.discard(key)
        open_sockets[key] -= 1
        if not open_sockets[key]:
            del open_sockets[key]


@contextmanager
def socket_slots(address: str | None) -> Iterator[SocketSlots]:
    """Count a socket as long as the context lasts.

    Raises
    ------
    RateLimitedError
        There are too many sockets.
    """
    slots = SocketSlots()
    try:
        slots.acquire(address)
        yield slots
    finally:
        slots.release()
