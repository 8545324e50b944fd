"""Limit the open sockets of a user, of an address, and without a credential.

Each process counts its own sockets, because they occupy its memory. A socket is refused because of
its address before any other work, and because of its user as soon as the user is identified.

Until then a socket counts among those that are not identified, which have places of their own: the
sockets that stay anonymous cannot lock out a client with a credential. A client holds such a place
for ``DASF_CONNECTION_INIT_TIMEOUT`` at most, and one address holds at most half of them.
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

#: The key of a counter: a user, an address, or the sockets of a kind.
Key: TypeAlias = tuple[Any, ...]

_UNIDENTIFIED: Key = ("unidentified",)
_ANONYMOUS: Key = ("anonymous",)

#: How many sockets are open, by key. A key without open sockets is removed.
open_sockets: Counter[Key] = Counter()


class SocketSlots:
    """The counters that one open socket increments."""

    def __init__(self, address: str | None) -> None:
        self._address = address
        self._keys: set[Key] = set()

    def acquire(self) -> None:
        """Count a socket whose user is not known yet.

        Raises
        ------
        RateLimitedError
            The address has too many sockets, or too many sockets are not identified yet.
        """
        self._acquire_address()
        limit = app_settings.DASF_MAX_UNIDENTIFIED_SOCKETS
        share = (limit + 1) // 2
        whose = "whose client has not said yet who it is"
        self._add((*_UNIDENTIFIED, self._address), share, f"from your address {whose}")
        self._add(_UNIDENTIFIED, limit, whose)

    def acquire_for(self, caller: Caller) -> None:
        """Count a socket whose user is known.

        Raises
        ------
        RateLimitedError
            The address or the user has too many sockets, or there are too many anonymous ones.
        """
        self._acquire_address()
        self.assign_to(caller)

    def assign_to(self, caller: Caller | None) -> None:
        """Count the socket for its user, or among the anonymous sockets.

        Parameters
        ----------
        caller
            The user; ``None`` if there is none, or if the credential is wrong.

        Raises
        ------
        RateLimitedError
            The user has too many sockets, or there are too many anonymous ones.
        """
        if caller is None or caller.is_anonymous:
            limit = app_settings.DASF_MAX_UNAUTHENTICATED_SOCKETS
            self._add(_ANONYMOUS, limit, "without a credential")
        else:
            limit = app_settings.DASF_MAX_SOCKETS_PER_USER
            self._add(("user", caller.user.pk), limit, "of your account")
        self._remove(_UNIDENTIFIED)
        self._remove((*_UNIDENTIFIED, self._address))

    def release(self) -> None:
        """Stop counting the socket."""
        for key in tuple(self._keys):
            self._remove(key)

    def _acquire_address(self) -> None:
        if self._address is not None:
            limit = app_settings.DASF_MAX_SOCKETS_PER_ADDRESS
            self._add(("address", self._address), limit, "from your address")

    def _add(self, key: Key, limit: int, whose: str) -> None:
        if key in self._keys:
            return
        if limit and open_sockets[key] >= limit:
            raise RateLimitedError(
                f"There are already {limit} open sockets {whose}, the most allowed.",
                retryAfter=RETRY_AFTER,
                limit=limit,
            )
        open_sockets[key] += 1
        self._keys.add(key)

    def _remove(self, key: Key) -> None:
        if key not in self._keys:
            return
        self._keys.discard(key)
        open_sockets[key] -= 1
        if not open_sockets[key]:
            del open_sockets[key]


@contextmanager
def socket_slots(address: str | None, caller: Caller | None = None) -> Iterator[SocketSlots]:
    """Count a socket as long as the context lasts.

    Parameters
    ----------
    address
        The address of the client, if it is known.
    caller
        The user, if the user is known already.

    Raises
    ------
    RateLimitedError
        There are too many sockets.
    """
    slots = SocketSlots(address)
    try:
        if caller is None:
            slots.acquire()
        else:
            slots.acquire_for(caller)
        yield slots
    finally:
        slots.release()
