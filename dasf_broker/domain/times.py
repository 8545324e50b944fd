"""Times that clients send, near the edges of the calendar, too; and times in the future."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

#: Every time zone of a database can represent the times between these. No message is older or
#: newer, so that a filter finds the same with them as with a time beyond them.
EARLIEST = datetime.min.replace(tzinfo=UTC) + timedelta(days=1)
LATEST = datetime.max.replace(tzinfo=UTC) - timedelta(days=1)

#: How far the clocks of servers may differ.
CLOCKS_DIFFER = timedelta(seconds=10)


def present(now: datetime) -> datetime:
    """Return the latest time that a clock shows now.

    A stored time of an event behind it was written by a clock that was ahead. It says nothing
    about when that was: it is unknown, or due.
    """
    return now + CLOCKS_DIFFER


def in_calendar(parse: Callable[[str], datetime]) -> Callable[[str], datetime]:
    """Return a parser that also refuses times that are not in the years 1 to 9999 of UTC.

    Parameters
    ----------
    parse
        Returns the time in a text, or raises ``ValueError``.
    """

    def parse_strictly(text: str) -> datetime:
        try:
            moment = parse(text)
            return moment if moment.tzinfo is None else moment.astimezone(UTC)
        except OverflowError:
            raise ValueError("In UTC it is not in the years 1 to 9999.") from None

    return parse_strictly


def to_filter_by(moment: datetime) -> datetime:
    """Return a time that every database can compare; without a zone it is in UTC."""
    # The broker returns all times in UTC, so a time without a zone is UTC, too.
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return min(max(aware, EARLIEST), LATEST)
