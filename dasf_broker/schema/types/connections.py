"""Relay connections over the pages that operations return."""

from __future__ import annotations

from typing import Annotated, Any, Generic, TypeVar

import strawberry
from strawberry.relay import PageInfo

from dasf_broker.operations.lists.paging import Page, PageRequest

Node = TypeVar("Node")

First = Annotated[
    int | None,
    strawberry.argument(description="Return at most this number of items, from the start."),
]
After = Annotated[
    str | None, strawberry.argument(description="Begin after the item with this cursor.")
]
Last = Annotated[
    int | None,
    strawberry.argument(description="Return at most this number of items, from the end."),
]
Before = Annotated[
    str | None, strawberry.argument(description="End before the item with this cursor.")
]


@strawberry.type(description="An item of a list, with its position.")
class Edge(Generic[Node]):
    cursor: str = strawberry.field(
        description="The position of the item. Use it in `after` or `before`."
    )
    node: Node = strawberry.field(description="The item.")


@strawberry.type(description="A page of a list.")
class Connection(Generic[Node]):
    """A page in Relay's form."""

    edges: list[Edge[Node]] = strawberry.field(description="The items of this page, in order.")
    page_info: PageInfo = strawberry.field(
        description="Whether there are items before and after this page."
    )


def page_request(
    first: int | None, after: str | None, last: int | None, before: str | None
) -> PageRequest:
    """Return the arguments of a list for operations."""
    return PageRequest(given(first), given(after), given(last), given(before))


def given(value: Any) -> Any:
    """Return an argument, or ``None`` if the client left it out."""
    return None if value is strawberry.UNSET else value


def connect(page: Page[Any], make: Any) -> Connection[Any]:
    """Return a page as a connection; ``make`` turns an item into its GraphQL type."""
    edges = [Edge(cursor=cursor, node=make(item)) for cursor, item in page.items]
    return Connection(
        edges=edges,
        page_info=PageInfo(
            has_next_page=page.has_next,
            has_previous_page=page.has_previous,
            start_cursor=edges[0].cursor if edges else None,
            end_cursor=edges[-1].cursor if edges else None,
        ),
    )
