"""Keyset pagination: pages that stay right while rows come and go, and cost the same anywhere."""

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

#: Lists whose pages are read by one statement. SQLite takes no deeper expressions than 1000.
LISTS = 250


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


@dataclass(frozen=True, slots=True)
class Cut:
    """How a page is cut out of a list: a request whose cursors were understood.

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
    def of(cls, order: Order, request: PageRequest, decode: Callable[[str, str], Any]) -> Cut:
        """Return how a request cuts.

        Parameters
        ----------
        decode
            Turns a cursor into the value of the order's column; takes the argument's name too.

        Raises
        ------
        BadInputError
            The size is refused, or a cursor is.
        """
        size = request.size()
        after = None if request.after is None else decode(request.after, "after")
        before = None if request.before is None else decode(request.before, "before")
        return cls(order, size, request.backward, after, before)

    def narrow(self, rows: Any) -> Any:
        """Keep what lies between the cursors."""
        later, earlier = ("lt", "gt") if self.order.descending else ("gt", "lt")
        if self.after is not None:
            rows = rows.filter(**{f"{self.order.column}__{later}": self.after})
        if self.before is not None:
            rows = rows.filter(**{f"{self.order.column}__{earlier}": self.before})
        return rows

    def sort(self, rows: Any) -> Any:
        """Put rows in order, beginning at the end that the page is cut from."""
        return rows.order_by(f"-{self.order.column}" if self._reverse else self.order.column)

    def on_this_side_of(self, edge: Any) -> Q:
        """Return what keeps the rows that come before one of them, seen from that end."""
        return Q(**{f"{self.order.column}__{'gt' if self._reverse else 'lt'}": edge})

    def page(self, found: list[T], encode: Callable[[T], str], *, more: bool = False) -> Page[T]:
        """Return sorted rows as a page, and forget those that are too many.

        Parameters
        ----------
        encode
            Turns a row into its cursor.
        more
            Whether there are others, besides those found.
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


def paginate(rows: QuerySet[Any], cut: Cut, encode: Callable[[Any], str]) -> Page[Any]:
    """Return one part of the rows. One query."""
    found = list(cut.sort(cut.narrow(rows))[: cut.size + 1])
    return cut.page(found, encode)


def paginate_each(
    owners: QuerySet[Any], rows: QuerySet[Any], owner: str, cut: Cut, encode: Callable[[Any], str]
) -> dict[Any, Page[Any]]:
    """Return the same part of each of many lists. Two queries for up to ``LISTS`` of them.

    First, for each list, what comes right behind its page; then the rows of all pages. No list
    is read any further than that.

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
    rows = cut.narrow(rows)
    behind = cut.sort(rows.filter(**{owner: OuterRef("pk")})).values(cut.order.column)
    ends = owners.order_by().annotate(edge=Subquery(behind[cut.size : cut.size + 1]))
    edges: dict[Any, Any] = dict(ends.values_list("pk", "edge"))
    found: dict[Any, list[Any]] = defaultdict(list)
    for some in batched(edges, LISTS):
        for row in cut.sort(rows.filter(_within_edges(cut, owner, some, edges))):
            found[getattr(row, owner)].append(row)
    return {pk: cut.page(found[pk], encode, more=edge is not None) for pk, edge in edges.items()}


def without_index(column: str) -> Coalesce:
    """Return a column as a value that no index serves.

    For where the planner would walk a long list by its order, and there is a shorter way.
    """
    return Coalesce(column, column)


def batched(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yield items in lists of up to a size."""
    remaining = iter(items)
    while some := list(islice(remaining, size)):
        yield some


def _within_edges(cut: Cut, owner: str, pks: Iterable[Any], edges: Mapping[Any, Any]) -> Q:
    wanted = Q()
    for pk in pks:
        edge = edges[pk]
        wanted |= Q(**{owner: pk}) & (Q() if edge is None else cut.on_this_side_of(edge))
    return wanted
