"""Keyset pagination: pages are correct while rows come and go, and each costs the same.

A page of large items ends before it has as many as were asked for: their sizes are read first.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from django.db.models import Q, QuerySet
from django.db.models.functions import Coalesce

from dasf_broker import app_settings
from dasf_broker.domain.sizes import ByteBudget
from dasf_broker.exceptions import BadInputError
from dasf_broker.operations.storage.large import first_beyond, is_large

T = TypeVar("T")

#: What a page may have of the bytes of a result: each item may be selected several times.
PART = 8


@dataclass(frozen=True, slots=True)
class PageRequest:
    """The wanted part of a list: its ``first`` items, or its ``last``."""

    first: int | None = None
    after: str | None = None
    last: int | None = None
    before: str | None = None

    @property
    def backward(self) -> bool:
        """Whether the page is taken from the end of the list."""
        return self.last is not None

    def size(self) -> int:
        """Return how many items are wanted.

        Raises
        ------
        BadInputError
            A size is negative or more than ``DASF_MAX_PAGE_SIZE``, or both sizes are given.
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
    #: The column with the bytes of an item; ``None`` if all items are small.
    size: str | None = None


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """A part of a list, each item with its cursor."""

    items: list[tuple[str, T]]
    has_next: bool
    has_previous: bool

    @classmethod
    def empty(cls) -> Page[T]:
        """Return the page of an empty list."""
        return cls([], has_next=False, has_previous=False)

    def map(self, make: Callable[[T], Any]) -> Page[Any]:
        """Return the page with a function applied to each item."""
        items = [(cursor, make(item)) for cursor, item in self.items]
        return Page(items, self.has_next, self.has_previous)


@dataclass(frozen=True, slots=True)
class PageSlice:
    """A page request with decoded cursors: selects the page from the rows of a list.

    Parameters
    ----------
    after, before
        Values of the order's column.
    """

    order: Order
    size: int
    backward: bool = False
    after: Any = None
    before: Any = None

    @classmethod
    def of(cls, order: Order, request: PageRequest, decode: Callable[[str, str], Any]) -> PageSlice:
        """Return the slice that a request asks for.

        Parameters
        ----------
        decode
            Turns a cursor, and the name of its argument, into a value of the order's column.

        Raises
        ------
        BadInputError
            The size or a cursor is not valid.
        """
        size = request.size()
        after = None if request.after is None else decode(request.after, "after")
        before = None if request.before is None else decode(request.before, "before")
        return cls(order, size, request.backward, after, before)

    def narrow(self, rows: Any) -> Any:
        """Keep the rows between the cursors."""
        later, earlier = ("lt", "gt") if self.order.descending else ("gt", "lt")
        if self.after is not None:
            rows = rows.filter(**{f"{self.order.column}__{later}": self.after})
        if self.before is not None:
            rows = rows.filter(**{f"{self.order.column}__{earlier}": self.before})
        return rows

    def sort(self, rows: Any) -> Any:
        """Sort rows, beginning at the end of the list that the page is taken from."""
        return rows.order_by(f"-{self.order.column}" if self.is_reversed else self.order.column)

    def on_this_side_of(self, edge: Any) -> Q:
        """Return the condition for rows that come before an edge, seen from that end."""
        return Q(**{f"{self.order.column}__{'gt' if self.is_reversed else 'lt'}": edge})

    def page(self, found: list[T], encode: Callable[[T], str], *, more: bool = False) -> Page[T]:
        """Return sorted rows as a page, without those beyond its size.

        Parameters
        ----------
        encode
            Turns a row into its cursor.
        more
            Whether the list has other rows behind those found.
        """
        more, found = more or len(found) > self.size, found[: self.size]
        if self.backward:
            found.reverse()
        return Page(
            [(encode(row), row) for row in found],
            has_next=self.before is not None if self.backward else more,
            has_previous=more if self.backward else self.after is not None,
        )

    @property
    def is_reversed(self) -> bool:
        """Whether the page's end of the list is that of the largest values."""
        return self.order.descending is not self.backward


def paginate(
    rows: QuerySet[Any],
    page_slice: PageSlice,
    encode: Callable[[Any], str],
    budget: ByteBudget | None = None,
) -> Page[Any]:
    """Return one part of the rows. One query, and one for the sizes if items may be large.

    Parameters
    ----------
    budget
        Spends the bytes of large items before they are read.
    """
    rows, edge = page_slice.narrow(rows), None
    if page_slice.order.size is not None:
        large = page_slice.sort(rows.filter(is_large(page_slice.order.size)))
        sizes = large.values_list(page_slice.order.column, page_slice.order.size)
        edge, size = first_beyond(sizes[: page_slice.size + 1], page_bytes())
        if budget is not None:
            budget.spend(size)
    if edge is not None:
        rows = rows.filter(page_slice.on_this_side_of(edge))
    found = list(page_slice.sort(rows)[: page_slice.size + 1])
    return page_slice.page(found, encode, more=edge is not None)


def without_index(column: str) -> Coalesce:
    """Return a column as a value that no index contains.

    Use it if the planner would read a long list in its order although there is a shorter way.
    """
    return Coalesce(column, column)


def page_bytes() -> int:
    """Return the bytes of the large items of a page, at most. Its first item may have more."""
    return app_settings.DASF_MAX_RESULT_SIZE // PART
