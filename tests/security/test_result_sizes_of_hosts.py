"""The fields of hosts that extend the schema count, by whatever way they are resolved."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
import strawberry
from pytest_django import Settings
from strawberry.extensions import SchemaExtension
from strawberry.scalars import JSON

from dasf_broker import schema as broker
from dasf_broker.exceptions import ResultTooLargeError
from dasf_broker.schema.execution.context import Info

LONG = "x" * 1000


@strawberry.type
class Item:
    """Has a long value of each kind."""

    attribute: str = LONG
    identifier: strawberry.ID = strawberry.ID(LONG)
    attributes: list[str] = strawberry.field(default_factory=lambda: [LONG])

    @strawberry.field
    def method(self) -> str:
        """Return a text."""
        return LONG

    @strawberry.field
    def with_info(self, info: Info) -> str:
        """Return a text by the long way."""
        return LONG + info.field_name

    @strawberry.field
    def with_argument(self, times: int = 1) -> str:
        """Return a text by the long way."""
        return LONG * times

    @strawberry.field
    async def later(self) -> str:
        """Return a text after others had their turn."""
        await asyncio.sleep(0)
        return LONG

    @strawberry.field
    def number(self) -> JSON:
        """Return a number with many digits."""
        return 10**1000  # type: ignore[return-value]

    @strawberry.field
    def array(self) -> JSON:
        """Return a JSON value that is another one for each item."""
        return [[None]] * 200  # type: ignore[return-value]

    @strawberry.field
    async def object(self) -> JSON:
        """Return a JSON value that comes later."""
        return {"text": LONG}  # type: ignore[return-value]

    @strawberry.field
    def failing(self) -> str | None:
        """Fail with a long text."""
        raise ValueError(LONG)

    @strawberry.field
    def inner(self) -> list[Item | None]:
        """Return items that may be missing."""
        return [Item(), None]


@strawberry.type
class Query(broker.Query):
    """The broker's queries, and items."""

    @strawberry.field
    def items(self) -> list[Item]:
        """Return many items."""
        return [Item() for _ in range(100)]

    @strawberry.field
    async def items_later(self) -> list[Item | None]:
        """Return many items that may be missing."""
        return [Item() for _ in range(100)]


class Extension(SchemaExtension):
    """Sees every field, so that none is plain."""

    def resolve(self, _next: Any, root: Any, info: Any, *args: Any, **kwargs: Any) -> Any:
        """Resolve the field as usual."""
        return _next(root, info, *args, **kwargs)

    def on_execute(self) -> Iterator[None]:
        """Do nothing around the execution."""
        yield


SCHEMAS = {
    "plain": broker.Schema(Query),
    "extended": broker.Schema(Query, extensions=[Extension]),
}
FIELDS = [
    *("attribute", "identifier", "attributes", "method", "withInfo", "withArgument(times: 2)"),
    *("later", "number", "array", "object", "failing", "inner { attribute }", "inner { later }"),
]


@pytest.mark.parametrize("items", ["items", "itemsLater"])
@pytest.mark.parametrize("schema", SCHEMAS)
@pytest.mark.parametrize("field", FIELDS)
async def test_all_fields_count(field: str, schema: str, items: str, settings: Settings) -> None:
    """The result is refused as a whole, or it is complete."""
    query = f"{{ before: {items} {{ __typename }} {items} {{ {field} }} }}"
    settings.DASF_MAX_RESULT_SIZE = 50_000
    refused = await SCHEMAS[schema].execute(query)
    assert refused.data is None
    assert refused.errors is not None
    [error] = refused.errors
    assert isinstance(error.original_error, ResultTooLargeError)
    settings.DASF_MAX_RESULT_SIZE = 500_000
    complete = await SCHEMAS[schema].execute(query)
    assert complete.data is not None
    assert len(complete.data[items]) == 100
