"""How long a topic keeps messages at most, whether they were acknowledged or not."""

from __future__ import annotations

from dasf_broker.exceptions import BadInputError

#: The highest limit: in seconds more than thirty years. Columns hold it with ease.
MAX_RETENTION = 1_000_000_000


def check_retention(value: int, *, field: str) -> int:
    """Return ``value`` if it can limit the age in seconds, or the number, of messages.

    Raises
    ------
    BadInputError
        It is less than 1, or too large.
    """
    if not 1 <= value <= MAX_RETENTION:
        raise BadInputError(
            f"{field} is a number from 1 to {MAX_RETENTION}, or nothing for no limit; {value} is "
            "not.",
            field=field,
        )
    return value
