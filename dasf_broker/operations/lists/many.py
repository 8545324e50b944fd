"""Pages of many lists at once, in a fixed number of queries."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, TypeVar

from django.db.models import OuterRef, Q, QuerySet, Subquery

from dasf_broker.domain.sizes import ByteBudget
from dasf_broker.operations.lists.paging import Page, PageSlice, page_bytes
from dasf_broker.operations.storage.large import first_beyond, is_large

T = TypeVar("T")

#: Lists whose pages one statement reads. SQLite accepts expressions with up to 1000 levels.
LISTS = 250


def paginate_each(
    owners: QuerySet[Any],
    rows: QuerySet[Any],
    owner: str,
    page_slice: PageSlice,
    encode: Callable[[Any], str],
    budget: ByteBudget | None = None,
) -> dict[Any, Page[Any]]:
    """Return the same part of each of many lists. Two queries for up to ``LISTS`` of them.

    The first reads, for each list, the row right behind its page; the last reads the rows of all
    pages. No list is read any further. If items may be large, one between them reads their sizes.

    Parameters
    ----------
    owners
        Rows that have one list each; small in number.
    rows
        The items of all lists.
    owner
        The column or annotation of an item that holds the primary key of its owner.
    budget
        Spends the bytes of large items before they are read.

    Returns
    -------
    dict
        The page of each owner, by primary key.
    """
    rows = page_slice.narrow(rows)
    behind = page_slice.sort(rows.filter(**{owner: OuterRef("pk")})).values(page_slice.order.column)
    ends = owners.order_by().annotate(edge=Subquery(behind[page_slice.size : page_slice.size + 1]))
    edges: dict[Any, Any] = dict(ends.values_list("pk", "edge"))
    if page_slice.order.size is not None:
        edges |= _nearer_edges(rows, owner, page_slice, edges, budget)
    found: dict[Any, list[Any]] = defaultdict(list)
    for some in batched(edges, LISTS):
        for row in page_slice.sort(rows.filter(_within_edges(page_slice, owner, some, edges))):
            found[getattr(row, owner)].append(row)
    return {
        pk: page_slice.page(found[pk], encode, more=edge is not None) for pk, edge in edges.items()
    }


def batched(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yield items in lists of up to a size."""
    remaining = iter(items)
    while some := list(islice(remaining, size)):
        yield some


def _nearer_edges(
    rows: QuerySet[Any],
    owner: str,
    page_slice: PageSlice,
    edges: Mapping[Any, Any],
    budget: ByteBudget | None,
) -> dict[Any, Any]:
    """Return the edges of the pages that end early. All pages together have the bytes of one."""
    large = _large_items(rows, owner, page_slice, edges)
    most, total = page_bytes(), sum(size for items in large.values() for _, size in items)
    if total > most:
        ends = {pk: first_beyond(items, most // len(large)) for pk, items in large.items()}
        total = sum(size for _, size in ends.values())
    else:
        ends = {}
    if budget is not None:
        budget.spend(total)
    return {pk: edge for pk, (edge, _) in ends.items() if edge is not None}


def _large_items(
    rows: QuerySet[Any], owner: str, page_slice: PageSlice, edges: Mapping[Any, Any]
) -> dict[Any, list[tuple[Any, int]]]:
    """Return the position and size of the large items of each page, in its order."""
    order, found = page_slice.order, defaultdict(list)
    of_size = str(order.size)
    rows = rows.order_by()
    for some in batched(edges, LISTS):
        large = rows.filter(_within_edges(page_slice, owner, some, edges, is_large(of_size)))
        for pk, position, size in large.values_list(owner, order.column, of_size):
            found[pk].append((position, size))
    for items in found.values():
        items.sort(reverse=page_slice.is_reversed)
    return found


def _within_edges(
    page_slice: PageSlice,
    owner: str,
    pks: Iterable[Any],
    edges: Mapping[Any, Any],
    condition: Q | None = None,
) -> Q:
    wanted = Q()
    for pk in pks:
        edge = edges[pk]
        each = Q(**{owner: pk}) & (Q() if edge is None else page_slice.on_this_side_of(edge))
        wanted |= each if condition is None else each & condition
    return wanted
