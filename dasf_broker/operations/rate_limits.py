"""How often a caller may do something: counted in Django's cache, for all processes together.

The operations check it, and not the doors, so that no door can forget it: the writer for publishes,
pings and new topics, each subscription when it begins. The topics that a batch of messages creates
are counted in the writing thread, where they are known.

There is one counter for each activity, each user or address, and each window of time. The number
of the window is part of its key: no counter is ever reset, and old ones expire by themselves.
Around the border of two windows up to twice a rate may pass; that is the price for one atomic
``incr`` instead of a list of times. Refused attempts count as well.

A cache that fails refuses no caller: there are no limits then, and the log says so. A thread beside
the event loop calls the cache, and not Django's ``aincr``, which reads and writes in two steps.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from django.core.cache import caches

from dasf_broker import app_settings, database
from dasf_broker.concurrency.outage_log import OutageLog
from dasf_broker.domain.envelope import content_size
from dasf_broker.domain.rates import Activity, Rate
from dasf_broker.exceptions import RateLimitedError
from dasf_broker.operations.caller import Caller
from dasf_broker.operations.publications import Publication

logger = logging.getLogger(__name__)

#: Seconds to wait for the cache; if it does not answer, it is not called for as many seconds.
TIMEOUT = 1.0
PAUSE = 5.0

#: The same in the writing thread, for which all writers wait.
WRITER_TIMEOUT = 0.25


async def admit(caller: Caller, activity: Activity) -> None:
    """Count one activity of a caller.

    Raises
    ------
    RateLimitedError
        They did it too often.
    """
    if claims := _claims(caller, activity):
        _check(claims, await _counted(claims))


async def refused_publications(
    publications: Sequence[Publication],
) -> Mapping[int, RateLimitedError]:
    """Count messages of one caller; return which, by index, are too many, and why."""
    is_limited = _is_limited(Activity.PUBLISH, Activity.PUBLISH_BYTES)
    if not (is_limited and publications and publications[0].is_limited):
        return {}
    caller = publications[0].caller
    sizes = [content_size(each.envelope.content) for each in publications]
    claims = _claims(caller, Activity.PUBLISH, len(sizes))
    of_bytes = _claims(caller, Activity.PUBLISH_BYTES, sum(sizes))
    counts = iter(await _counted([*claims, *of_bytes]))
    refused: dict[int, RateLimitedError] = {}
    for weights, each in [([1] * len(sizes), claims), (sizes, of_bytes)]:
        for claim, count in zip(each, counts, strict=False):  # the rest is for the next claims
            for index in _beyond(weights, claim.room(count)):
                refused.setdefault(index, claim.error())
    return refused


def admitted_topics(
    wanted: Sequence[tuple[Caller, int]],
) -> list[tuple[int, RateLimitedError | None]]:
    """Count topics that callers want to create, from the writing thread.

    Returns
    -------
    list
        For each caller, how many topics they may create, and why not more.
    """
    claims = [_claims(caller, Activity.CREATE, amount) for caller, amount in wanted]
    counts = iter(_counted_now([claim for some in claims for claim in some]))
    admitted: list[tuple[int, RateLimitedError | None]] = []
    for (_, amount), some in zip(wanted, claims, strict=True):
        rooms = [(claim.room(next(counts)), claim) for claim in some]
        room, scarce = min(rooms, key=itemgetter(0), default=(amount, None))
        admitted.append((room, scarce.error() if scarce and room < amount else None))
    return admitted


async def count_failure(address: str | None) -> int:
    """Count that a credential was wrong.

    Returns
    -------
    int
        Seconds for which the address is to be refused; mostly 0.
    """
    claims = _claims_of_address(address, Activity.FAILED_AUTHENTICATION)
    return _seconds_to_wait(claims, await _counted(claims)) if claims else 0


# --- what is counted --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Claim:
    """An amount to add to one counter."""

    whose: str
    activity: Activity
    rate: Rate
    amount: int
    now: float

    @property
    def key(self) -> str:
        """The key of the counter, which is valid in all caches."""
        return f"dasf:{self.activity}:{self.whose}:{self.rate.seconds}:{self.rate.window(self.now)}"

    def room(self, count: int) -> int:
        """Return how much of the amount is allowed if the counter is at ``count`` now."""
        return self.amount - max(0, count - self.rate.limit)

    def error(self) -> RateLimitedError:
        """Return the error for an amount that is not allowed."""
        seconds = self.rate.retry_after(self.now)
        who = "your address" if self.whose.startswith("address") else "you"
        return RateLimitedError(
            f"There are {self.rate.describe(self.activity)} for {who}; try again in {seconds} s.",
            retryAfter=seconds,
        )


def _now() -> float:
    """Return the time by which all processes compute windows."""
    return time.time()


def whose(caller: Caller) -> str:
    """Return for whom activities of the caller are counted."""
    # All anonymous callers are one user: one of them must not use up the rate of the others.
    by_address = caller.is_anonymous and caller.address
    return f"nobody:{caller.address}" if by_address else f"user:{caller.user.pk}"


def _is_limited(*activities: Activity) -> bool:
    users, addresses = app_settings.DASF_USER_RATES, app_settings.DASF_ADDRESS_RATES
    return any(users.get(each) or addresses.get(each) for each in activities)


def _claims(caller: Caller, activity: Activity, amount: int = 1) -> list[_Claim]:
    claims = _claims_of_address(caller.address, activity, amount)
    if rate := app_settings.DASF_USER_RATES.get(activity):
        claims.append(_Claim(whose(caller), activity, Rate.parse(rate), amount, _now()))
    return claims


def _claims_of_address(address: str | None, activity: Activity, amount: int = 1) -> list[_Claim]:
    rate = app_settings.DASF_ADDRESS_RATES.get(activity)
    if not rate or address is None:
        return []
    return [_Claim(f"address:{address}", activity, Rate.parse(rate), amount, _now())]


def _beyond(weights: Sequence[int], room: int) -> Iterator[int]:
    """Yield the indices of refused items: the first that does not fit, and all behind it."""
    total = 0
    for index, weight in enumerate(weights):
        total += weight
        if total > room:
            yield index


def _check(claims: Sequence[_Claim], counts: Sequence[int]) -> None:
    for claim, count in zip(claims, counts, strict=True):
        if claim.room(count) < claim.amount:
            raise claim.error()


def _seconds_to_wait(claims: Sequence[_Claim], counts: Sequence[int]) -> int:
    too_many = [
        claim.rate.retry_after(claim.now)
        for claim, count in zip(claims, counts, strict=True)
        if count > claim.rate.limit
    ]
    return max(too_many, default=0)


# --- the cache --------------------------------------------------------------------------------


class _Health:
    """Whether the cache answers."""

    def __init__(self) -> None:
        self.outage = OutageLog(
            logger, "Counting for rates in the cache (there are none meanwhile)"
        )
        self.again = 0.0

    def is_bad(self) -> bool:
        """Tell whether it failed a moment ago: then callers do not wait for it again."""
        return time.monotonic() < self.again

    def failed(self) -> None:
        """Record a failure; call it in the handler of the exception."""
        self.outage.failed()
        self.again = time.monotonic() + PAUSE


_health = _Health()


async def _counted(claims: Sequence[_Claim]) -> list[int]:
    """Return the values of the counters, or zeros if the cache does not answer."""
    if not claims or _health.is_bad():
        return [0] * len(claims)
    try:
        counts = await database.aside(_increment, TIMEOUT, claims)
    except Exception:  # noqa: BLE001 - each cache has errors of its own
        _health.failed()
        return [0] * len(claims)
    _health.outage.recovered()
    return counts


def _counted_now(claims: Sequence[_Claim]) -> list[int]:
    """Do as :func:`_counted` in a thread, which waits less long."""
    if not claims or _health.is_bad():
        return [0] * len(claims)
    try:
        counts = database.aside_now(_increment, WRITER_TIMEOUT, claims)
    except Exception:  # noqa: BLE001 - each cache has errors of its own
        _health.failed()
        return [0] * len(claims)
    _health.outage.recovered()
    return counts


def _increment(claims: Sequence[_Claim]) -> list[int]:
    cache = caches[app_settings.DASF_RATE_CACHE]
    return [_incremented(cache, claim) for claim in claims]


def _incremented(cache: Any, claim: _Claim) -> int:
    try:
        return int(cache.incr(claim.key, claim.amount))
    except ValueError:  # the first one of its window; another process may do the same now
        cache.add(claim.key, 0, timeout=2 * claim.rate.seconds)
    try:
        return int(cache.incr(claim.key, claim.amount))
    except ValueError:  # a cache that stores nothing
        return 0
