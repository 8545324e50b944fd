"""Refuse addresses with too many wrong tokens, before the database is queried.

The failures of all processes are counted together. A process learns that an address is refused at
the first failure that it counts for the address, and then remembers it. So a valid key needs no
counting.

A key that was valid before is still looked up: many users may share one address, and a user with a
wrong key must not lock out the others.
"""

from __future__ import annotations

import time

from dasf_broker.exceptions import RateLimitedError, UnauthenticatedError
from dasf_broker.operations import rate_limits

#: Most addresses, and most keys, that one process remembers. Beyond, it clears them.
MAX_ENTRIES = 10_000

#: Until when an address is refused, by the monotonic clock.
_refused: dict[str, float] = {}

#: Hashes of valid keys, salted by Python and useless outside this process.
_valid: set[int] = set()


def check(address: str | None, key: str) -> None:
    """Check that an address may use a key.

    Raises
    ------
    RateLimitedError
        The address sent too many wrong keys.
    """
    if not _refused or address is None:
        return
    seconds = _refused.get(address, 0.0) - time.monotonic()
    if seconds > 0 and hash(key) not in _valid:
        raise _error(seconds)


def note_valid(key: str) -> None:
    """Remember that a key was valid."""
    if len(_valid) >= MAX_ENTRIES:
        _valid.clear()
    _valid.add(hash(key))


async def note_invalid(address: str | None) -> UnauthenticatedError | RateLimitedError:
    """Count a key that was not valid; return the error to raise."""
    seconds = await rate_limits.count_failure(address)
    if seconds and address is not None:
        if len(_refused) >= MAX_ENTRIES:
            _refused.clear()
        _refused[address] = time.monotonic() + seconds
        return _error(seconds)
    return UnauthenticatedError(
        "The token is wrong, expired or revoked; get a new one with `manage.py dasf_token`."
    )


def forget() -> None:
    """Forget all addresses and keys, as in a new process."""
    _refused.clear()
    _valid.clear()


def _error(seconds: float) -> RateLimitedError:
    whole = max(1, round(seconds))
    return RateLimitedError(
        f"Too many wrong credentials came from your address; try again in {whole} s.",
        retryAfter=whole,
    )
