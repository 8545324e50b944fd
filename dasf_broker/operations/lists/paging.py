"""Keyset pagination: pages are correct while rows come and go, and each costs the same."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Generic, TypeVar

from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce

from dasf_broker import app_settings
from dasf_broker.exceptions import BadInputError

T = TypeVar("T")

#: Lists whose pages one statement reads. SQLite accepts expressions with up to 1000 levels.
LISTS = 250


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
        return rows.order_by(f"-{self.order.column}" if self._reverse else self.order.column)

    def on_this_side_of(self, edge: Any) -> Q:
        """Return the condition for rows that come before an edge, seen from that end."""
        return Q(**{f"{self.order.column}__{'gt' if self._reverse else 'lt'}": edge})

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
    def _reverse(self) -> bool:
        return self.order.descending is not self.backward


def paginate(rows: QuerySet[Any], page_slice: PageSlice, encode: Callable[[Any], str]) -> Page[Any]:
    """Return one part of the rows. One query."""
    found = list(page_slice.sort(page_slice.narrow(rows))[: page_slice.size + 1])
    return page_slice.page(found, encode)


def paginate_each(
    owners: QuerySet[Any],
    rows: QuerySet[Any],
    owner: str,
    page_slice: PageSlice,
    encode: Callable[[Any], str],
) -> dict[Any, Page[Any]]:
    """Return the same part of each of many lists. Two queries for up to ``LISTS`` of them.

    The first reads, for each list, the row right behind its page; the second reads the rows of all
    pages. No list is read any further.

    Parameters
    ----------
    owners
        Rows that have one list each; small in number.
    rows
        The items of all lists.
    owner
        The column or annotation of an item that holds the primary key of its owner.

    Returns
    -------
    dict
        The page of each owner, by primary key.
    """
    rows = page_slice.narrow(rows)
    behind = page_slice.sort(rows.filter(**{owner: OuterRef("pk")})).values(page_slice.order.column)
    ends = owners.order_by().annotate(edge=Subquery(behind[page_slice.size : page_slice.size + 1]))
    edges: dict[Any, Any] = dict(ends.values_list("pk", "edge"))
    found: dict[Any, list[Any]] = defaultdict(list)
    for some in batched(edges, LISTS):
        for row in page_slice.sort(rows.filter(_within_edges(page_slice, owner, some, edges))):
            found[getattr(row, owner)].append(row)
    return {
        pk: page_slice.page(found[pk], encode, more=edge is not None) for pk, edge in edges.items()
    }


def without_index(column: str) -> Coalesce:
    """Return a column as a value that no index contains.

    Use it if the planner would read a long list in its order although there is a shorter way.
    """
    return Coalesce(column, column)


def batched(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yield items in lists of up to a size."""
    remaining = iter(items)
    while some := list(islice(remaining, size)):
        yield some


def _within_edges(
    page_slice: PageSlice, owner: str, pks: Iterable[Any], edges: Mapping[Any, Any]
) -> Q:
    wanted = Q()
    for pk in pks:
        edge = edges[pk]
        wanted |= Q(**{owner: pk}) & (Q() if edge is None else page_slice.on_this_side_of(edge))
    return wanted
