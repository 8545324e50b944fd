"""The availability of a topic: whether its consumers answer pings."""

from __future__ import annotations

from datetime import datetime, timedelta

from dasf_broker.domain.times import CLOCKS_DIFFER, present

#: After this long without a ping the availability is unknown (SEED_API, ``availability``).
UNKNOWN_AFTER = timedelta(minutes=2)


def known_since(now: datetime) -> datetime:
    """Return the earliest ``last_ping`` for which the availability is known at ``now``."""
    return now - UNKNOWN_AFTER


def availability(
    *,
    now: datetime,
    last_ping: datetime | None,
    last_pong: datetime | None,
    supports_dasf: bool,
) -> bool | None:
    """Tell whether a consumer answers: yes, no, or not known.

    A ping in the future says nothing, and a pong in the future is no answer: a clock was ahead.
    ``BrokerTopicQuerySet``'s three filters say the same in SQL.
    """
    if not supports_dasf or last_ping is None:
        return None
    if not known_since(now) <= last_ping <= present(now):
        return None
    return last_pong is not None and last_ping <= last_pong <= present(now)


def changes_at(
    now: datetime, last_ping: datetime | None, *, supports_dasf: bool
) -> datetime | None:
    """Return when the availability begins or ceases to be known, without another ping or pong.

    Returns
    -------
    datetime or None
        ``None`` if it stays unknown.
    """
    if not supports_dasf or last_ping is None or last_ping < known_since(now):
        return None
    is_ahead = last_ping > present(now)
    return last_ping - CLOCKS_DIFFER if is_ahead else last_ping + UNKNOWN_AFTER
