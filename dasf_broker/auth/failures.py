"""Addresses that tried too many wrong tokens are refused before the database is asked.

The failures are counted for all processes together. Each process learns that an address is to be
refused at the first failure that it sees there, and then remembers it. So a valid
key costs nothing.

A key that was valid before goes on being looked up: behind one address there may be many people,
and one of them with a wrong key must not lock out the others.
"""

from __future__ import annotations

import time

from dasf_broker.exceptions import RateLimitedError, UnauthenticatedError
from dasf_broker.operations import rate_limits

#: Addresses and keys that one process remembers. Beyond, it begins anew.
MOST = 10_000

#: Until when an address is refused, by the monotonic clock.
_refused: dict[str, float] = {}

#: Hashes of valid keys, salted by Python and useless outside this process.
_valid: set[int] = set()


def check(address: str | None, key: str) -> None:
    """See that an address may try a key.

    Raises
    ------
    RateLimitedError
        It was wrong too often.
    """
    if not _refused or address is None:
        return
    seconds = _refused.get(address, 0.0) - time.monotonic()
    if seconds > 0 and hash(key) not in _valid:
        raise _error(seconds)


def note_valid(key: str) -> None:
    """Remember that a key was valid."""
    if len(_valid) >= MOST:
        _valid.clear()
    _valid.add(hash(key))


async def note_invalid(address: str | None) -> UnauthenticatedError | RateLimitedError:
    """Count a key that was not valid; return the error to raise."""
    seconds = await rate_limits.count_failure(address)
    if seconds and address is not None:
        if len(_refused) >= MOST:
            _refused.clear()
        _refused[address] = time.monotonic() + seconds
        return _error(seconds)
    return UnauthenticatedError(
        "The token is wrong, expired or revoked; get a new one with `manage.py dasf_token`."
    )


def forget() -> None:
    """Forget everything, as a new process does."""
    _refused.clear()
    _valid.clear()


def _error(seconds: float) -> RateLimitedError:
    whole = max(1, round(seconds))
    return RateLimitedError(
        f"There were too many wrong credentials from your address; try again in {whole} s.",
        retryAfter=whole,
    )
