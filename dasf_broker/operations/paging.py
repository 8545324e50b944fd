"""Keyset pagination: pages that stay right while rows come and go, and cost the same anywhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from django.db.models import QuerySet

from dasf_broker import app_settings
from dasf_broker.exceptions import BadInputError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class PageRequest:
    """Which part of a list somebody wants: the ``first`` so many, or the ``last``."""

    first: int | None = None
    after: str | None = None
    last: int | None = None
    before: str | None = None

    @property
    def backward(self) -> bool:
        """Whether the page is cut from the end of the list."""
        return self.last is not None

    def size(self) -> int:
        """Return how many items are wanted.

        Raises
        ------
        BadInputError
            Negative, more than ``DASF_MAX_PAGE_SIZE``, or both ends at once.
        """
        if self.first is not None and self.last is not None:
            raise BadInputError("Give first or last, not both.", field="last")
        name, wanted = ("last", self.last) if self.backward else ("first", self.first)
        if wanted is None:
            return min(app_settings.DASF_PAGE_SIZE, app_settings.DASF_MAX_PAGE_SIZE)
        if not 0 <= wanted <= app_settings.DASF_MAX_PAGE_SIZE:
            limit = app_settings.DASF_MAX_PAGE_SIZE
            raise BadInputError(f"{name} is 0 to {limit}, not {wanted}.", field=name)
        return wanted


@dataclass(frozen=True, slots=True)
class Order:
    """A list's order, by a column that is unique in the list."""

    column: str
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """A part of a list, each item with the cursor behind it."""

    items: list[tuple[str, T]]
    has_next: bool
    has_previous: bool

    @classmethod
    def empty(cls) -> Page[T]:
        """Return a page of a list that has nothing."""
        return cls([], has_next=False, has_previous=False)

    def map(self, make: Callable[[T], Any]) -> Page[Any]:
        """Return the page with every item made into something else."""
        items = [(cursor, make(item)) for cursor, item in self.items]
        return Page(items, self.has_next, self.has_previous)


def paginate(
    rows: QuerySet[Any],
    order: Order,
    request: PageRequest,
    *,
    decode: Callable[[str, str], Any],
    encode: Callable[[Any], str],
) -> Page[Any]:
    """Return the requested part of the rows. One query.

    Parameters
    ----------
    decode
        Turns a cursor into the value of the order's column; takes the argument's name too.
    encode
        Turns a row into its cursor.
    """
    size = request.size()
    later, earlier = ("lt", "gt") if order.descending else ("gt", "lt")
    if request.after is not None:
        rows = rows.filter(**{f"{order.column}__{later}": decode(request.after, "after")})
    if request.before is not None:
        rows = rows.filter(**{f"{order.column}__{earlier}": decode(request.before, "before")})
    reverse = order.descending is not request.backward
    found = list(rows.order_by(f"-{order.column}" if reverse else order.column)[: size + 1])
    more, found = len(found) > size, found[:size]
    if request.backward:
        found.reverse()
    return Page(
        [(encode(row), row) for row in found],
        has_next=request.before is not None if request.backward else more,
        has_previous=more if request.backward else request.after is not None,
    )
