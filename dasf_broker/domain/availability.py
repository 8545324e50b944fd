"""The availability of a topic: whether its consumers answer pings."""

from __future__ import annotations

from datetime import datetime, timedelta

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

    ``BrokerTopicQuerySet``'s three filters say the same in SQL.
    """
    if not supports_dasf or last_ping is None or last_ping < known_since(now):
        return None
    return last_pong is not None and last_pong >= last_ping


def expires_at(last_ping: datetime | None, *, supports_dasf: bool) -> datetime | None:
    """Return when the availability becomes unknown if no other ping or pong comes."""
    if not supports_dasf or last_ping is None:
        return None
    return last_ping + UNKNOWN_AFTER
