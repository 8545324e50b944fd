"""Addresses that tried too many wrong tokens are refused before the database is asked.

The failures are counted for all processes together; who is to be refused, each process finds out
at the first failure that it sees and then remembers. So one that is right costs nothing.

A key that was right before goes on being looked up: behind one address there may be many people,
and one of them with a wrong key must not lock out the others.
"""

from __future__ import annotations

import time

from dasf_broker.exceptions import RateLimitedError, UnauthenticatedError
from dasf_broker.operations import rate_limits

#: Addresses and keys that one process remembers. Beyond, it begins anew.
MOST = 10_000

#: Until when an address is refused, by a clock that nobody sets.
_refused: dict[str, float] = {}

#: Hashes of keys that let somebody in, salted by Python and of no use to anybody else.
_right: set[int] = set()


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
    if seconds > 0 and hash(key) not in _right:
        raise _error(seconds)


def was_right(key: str) -> None:
    """Remember that a key let somebody in."""
    if len(_right) >= MOST:
        _right.clear()
    _right.add(hash(key))


async def was_wrong(address: str | None) -> UnauthenticatedError | RateLimitedError:
    """Count a wrong key; return what to answer."""
    return _answer(address, await rate_limits.count_failure(address))


def was_wrong_now(address: str | None) -> UnauthenticatedError | RateLimitedError:
    """Do as :func:`was_wrong` where no event loop runs."""
    return _answer(address, rate_limits.count_failure_now(address))


def forget() -> None:
    """Forget everything, as a new process does."""
    _refused.clear()
    _right.clear()


def _answer(address: str | None, seconds: int) -> UnauthenticatedError | RateLimitedError:
    if seconds and address is not None:
        if len(_refused) >= MOST:
            _refused.clear()
        _refused[address] = time.monotonic() + seconds
        return _error(seconds)
    return UnauthenticatedError(
        "The token is wrong, expired or revoked; get a new one with `manage.py dasf_token`."
    )


def _error(seconds: float) -> RateLimitedError:
    whole = max(1, round(seconds))
    return RateLimitedError(
        f"There were too many wrong credentials from your address; try again in {whole} s.",
        retryAfter=whole,
    )
