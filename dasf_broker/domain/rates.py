"""Rate limits: how often something may be done, which a host writes as ``"1000/m"``."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from enum import StrEnum
from functools import lru_cache
from typing import Any, NamedTuple

_SECONDS = {"s": 1, "m": 60, "h": 60 * 60, "d": 24 * 60 * 60}
_PERIODS = {1: "second", 60: "minute", 60 * 60: "hour", 24 * 60 * 60: "day"}
_MULTIPLES = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9}

#: As in Django REST framework, where only the first letter of the period counts; plus ``10MB``.
_RATE = re.compile(r"(\d[\d_]*) ?([kmg]?)b? ?/ ?([smhd])[a-z]*", re.ASCII | re.IGNORECASE)


class Activity(StrEnum):
    """An activity that is counted."""

    #: Messages, however many come in one request.
    PUBLISH = "publish"
    #: Bytes of such messages, as they are stored.
    PUBLISH_BYTES = "publish_bytes"
    PING = "ping"
    #: GraphQL queries.
    QUERY = "query"
    #: Attempts to subscribe, allowed or not.
    SUBSCRIBE = "subscribe"
    #: New topics, those that messages create, too.
    CREATE = "create"
    #: Credentials that are not valid.
    FAILED_AUTHENTICATION = "failed_authentication"


#: Activities that can be limited for each address; and for each user. The user of a wrong
#: credential is not known.
OF_ADDRESSES = tuple(Activity)
OF_USERS = OF_ADDRESSES[:-1]

_NOUNS = {
    Activity.PUBLISH: "messages",
    Activity.PUBLISH_BYTES: "bytes of messages",
    Activity.PING: "pings",
    Activity.QUERY: "queries",
    Activity.SUBSCRIBE: "subscriptions",
    Activity.CREATE: "new topics",
    Activity.FAILED_AUTHENTICATION: "wrong credentials",
}


class Rate(NamedTuple):
    """A number of times in a window of some seconds."""

    limit: int
    seconds: int

    @classmethod
    @lru_cache(maxsize=256)
    def parse(cls, text: str) -> Rate:
        """Return the rate for a text like ``"1000/m"`` or ``"50MB/hour"``.

        Raises
        ------
        ValueError
            It is not a rate.
        """
        found = _RATE.fullmatch(" ".join(text.split()))
        if found is None:
            raise ValueError(
                f'{text!r} is no rate; write a number and a period, like "1000/m": s is for '
                'second, m for minute, h for hour, d for day, and "50MB/h" for bytes'
            )
        number, multiple, period = found.groups()
        limit = int(number) * _MULTIPLES[multiple.lower()]
        return cls(limit, _SECONDS[period.lower()])

    def window(self, now: float) -> int:
        """Return the number of the window that a time belongs to."""
        return int(now // self.seconds)

    def retry_after(self, now: float) -> int:
        """Return the seconds until the next window, at least one."""
        return max(1, math.ceil((self.window(now) + 1) * self.seconds - now))

    def describe(self, activity: Activity) -> str:
        """Return a text that says what the rate allows."""
        return f"at most {self.limit} {_NOUNS[activity]} per {_PERIODS[self.seconds]}"


def read_rates(
    value: Any, known: tuple[Activity, ...], defaults: Mapping[str, str]
) -> dict[str, str | None]:
    """Return the rates of a setting, by the name of the activity; ``None`` is for no limit.

    Parameters
    ----------
    value
        The value of the setting.
    known
        The activities that can be limited.
    defaults
        Rates of activities that the setting does not name.

    Raises
    ------
    TypeError, ValueError
        It is not a mapping; it has an unknown name, or a value that is not a rate.
    """
    if not isinstance(value, Mapping):
        raise TypeError('it is a dict like {"publish": "1000/m"}')
    for name, rate in value.items():
        if name not in known:
            raise ValueError(f"there is no {name!r}, but {', '.join(known)}")
        if rate is not None:
            if not isinstance(rate, str):
                raise TypeError(f'{name} is a text like "1000/m", or None for no limit')
            Rate.parse(rate)
    return {**defaults, **value}
