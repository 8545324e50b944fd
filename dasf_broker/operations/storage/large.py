"""The sizes of stored messages, looked up before the messages are read.

Only messages of more than ``LARGE`` bytes count: an index has these, and a page has few bytes
without them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db.models import F, Q
from django.db.models.expressions import RawSQL
from django.db.models.lookups import GreaterThan

from dasf_broker.domain.sizes import LARGE


def is_large(column: str = "size") -> Q:
    """Return the condition for large rows, by the column with their size."""
    # The number stands in the statement, as in the condition of the index: SQLite compares both.
    return Q(GreaterThan(F(column), RawSQL(str(LARGE), ())))  # noqa: S611 - no value of a client


def first_beyond(items: Iterable[tuple[Any, int]], most: int) -> tuple[Any, int]:
    """Find the end of a page.

    Parameters
    ----------
    items
        The position and size of each large item, in the order of the page.
    most
        The bytes of a page. Its first item may have more.

    Returns
    -------
    tuple
        The position of the first item that is too much, or ``None``; and the bytes before it.
    """
    total = 0
    for position, size in items:
        if total and total + size > most:
            return position, total
        total += size
    return None, total
