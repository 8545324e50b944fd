"""Relay connections over the pages that operations return."""

from __future__ import annotations

from typing import Annotated, Any, Generic, TypeVar

import strawberry
from strawberry.relay import PageInfo

from dasf_broker.operations.lists.paging import Page, PageRequest

Node = TypeVar("Node")

First = Annotated[
    int | None, strawberry.argument(description="Return at most so many items from the start.")
]
After = Annotated[
    str | None, strawberry.argument(description="Begin behind the item with this cursor.")
]
Last = Annotated[
    int | None, strawberry.argument(description="Return at most so many items from the end.")
]
Before = Annotated[
    str | None, strawberry.argument(description="End before the item with this cursor.")
]


@strawberry.type(description="An item of a list, with its place in the list.")
class Edge(Generic[Node]):
    cursor: str = strawberry.field(description="The item's place: for `after` and `before`.")
    node: Node = strawberry.field(description="The item itself.")


@strawberry.type(description="A part of a list.")
class Connection(Generic[Node]):
    """A page in Relay's form."""

    edges: list[Edge[Node]] = strawberry.field(description="The items of this part, in order.")
    page_info: PageInfo = strawberry.field(description="What lies before and behind this part.")


def page_request(
    first: int | None, after: str | None, last: int | None, before: str | None
) -> PageRequest:
    """Return the arguments of a list as operations take them."""
    return PageRequest(given(first), given(after), given(last), given(before))


def given(value: Any) -> Any:
    """Return an argument, or ``None`` where the client left it out."""
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
