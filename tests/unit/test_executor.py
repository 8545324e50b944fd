"""The short way to plain values leads where graphql-core's does, whatever is on it."""

from __future__ import annotations

import enum
from typing import Any

import pytest
import strawberry
from graphql import GraphQLObjectType, execute, parse
from strawberry.extensions import FieldExtension
from strawberry.permission import BasePermission
from strawberry.scalars import JSON
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from dasf_broker.schema import Schema
from dasf_broker.schema import schema as broker
from dasf_broker.schema.execution.context import Info
from dasf_broker.schema.execution.executor import _PLAIN, Executor


@strawberry.enum
class Colour(enum.Enum):
    """Two."""

    RED = "red"
    BLUE = "blue"


class Closed(BasePermission):
    """Lets nobody in."""

    message = "Closed."

    def has_permission(self, source: Any, info: Any, **kwargs: Any) -> bool:  # noqa: ARG002
        """Say no."""
        return False


class Doubled(FieldExtension):
    """Gives twice as much."""

    def resolve(self, next_: Any, source: Any, info: Any, **kwargs: Any) -> Any:
        """Return what the field has, two times."""
        return 2 * next_(source, info, **kwargs)


@strawberry.type
class Thing:
    """Has a field of each kind, of which half are plain."""

    attribute: str = "here"
    colour: Colour = Colour.BLUE
    no_attribute: int | None = None
    missing_attribute: int = None  # type: ignore[assignment]
    wrong_attribute: int = "a text"  # type: ignore[assignment]
    attributes: list[int] = strawberry.field(default_factory=lambda: [1, 2])
    guarded_attribute: str = strawberry.field(default="secret", permission_classes=[Closed])

    @strawberry.field
    def method(self) -> int:
        """Return what it knows."""
        return len(self.attribute)

    @strawberry.field
    def nothing(self) -> int | None:
        """Return nothing."""
        return None

    @strawberry.field
    def missing(self) -> int:
        """Return nothing, where something must be."""
        return None  # type: ignore[return-value]

    @strawberry.field
    def wrong(self) -> Colour:
        """Return what is no colour."""
        return 7  # type: ignore[return-value]

    @strawberry.field
    def nullable_failing(self) -> int | None:
        """Fail, and leave the rest be."""
        raise ValueError(self.attribute)

    @strawberry.field
    def failing(self) -> int:
        """Fail."""
        raise ValueError(self.attribute)

    @strawberry.field
    def failed(self) -> JSON:
        """Return an error instead of raising it."""
        return ValueError("returned")  # type: ignore[return-value]

    @strawberry.field
    def later(self) -> JSON:
        """Return something that takes a while."""
        return self._later()  # type: ignore[return-value]

    async def _later(self) -> Any:
        return {"late": True}

    @strawberry.field
    async def slow(self) -> int:
        """Take a while."""
        return 3

    @strawberry.field
    def with_argument(self, by: int = 2) -> int:
        """Return a multiple."""
        return len(self.attribute) * by

    @strawberry.field
    def with_info(self, info: Info) -> str:
        """Return its own name."""
        return info.field_name

    @strawberry.field(extensions=[Doubled()])  # type: ignore[untyped-decorator]
    def extended(self) -> int:
        """Return half of what is seen."""
        return 4

    @strawberry.field
    @staticmethod
    def static() -> int:
        """Return what needs no object."""
        return 5


@strawberry.type
class Query:
    """A thing, which may come to nothing."""

    @strawberry.field
    def thing(self) -> Thing | None:
        """Return a thing."""
        return Thing()


ours = Schema(Query, types=[Thing])


def _object_type(schema: Schema, name: str) -> GraphQLObjectType:
    found = schema._schema.type_map[name]
    assert isinstance(found, GraphQLObjectType)
    return found


thing = _object_type(ours, "Thing")

PLAIN = {
    *("attribute", "colour", "noAttribute", "missingAttribute", "wrongAttribute"),
    *("method", "nothing", "missing", "wrong", "nullableFailing", "failing", "failed", "later"),
}


def test_what_is_plain() -> None:
    """Leaves that need nothing but their object, and are not guarded."""
    assert _plain_fields(thing) == PLAIN


def test_most_of_a_message_is_plain() -> None:
    """The short way is there for what is asked for most."""
    plain = _plain_fields(_object_type(broker, "Message"))
    assert plain >= {"messageId", "cursor", "publishTime", "data", "text", "properties", "missed"}
    assert plain.isdisjoint({"id", "user", "topic", "deliveredTo", "acknowledged"})


@pytest.mark.parametrize("name", sorted(thing.fields))
async def test_the_result_is_the_same(name: str) -> None:
    """Data, errors, their paths and their places."""
    query = f"{{ thing {{ __typename other: {name} {name} ... on Thing {{ {name} }} }} }}"
    assert await _done(query, Executor) == await _done(query, StrawberryGraphQLCoreExecutionContext)


async def test_middleware_sees_every_field() -> None:
    """Whoever asks to see all fields sees the plain ones as well."""
    seen = []

    def note(following: Any, source: Any, info: Any, **arguments: Any) -> Any:
        seen.append(info.field_name)
        return following(source, info, **arguments)

    await _done("{ thing { attribute method } }", Executor, middleware=[note])
    assert seen == ["thing", "attribute", "method"]


def _plain_fields(kind: GraphQLObjectType) -> set[str]:
    return {name for name, field in kind.fields.items() if _PLAIN in field.extensions}


async def _done(query: str, executor: Any, **options: Any) -> tuple[Any, Any]:
    done = execute(ours._schema, parse(query), executor_class=executor, **options)
    result = await done if hasattr(done, "__await__") else done
    return result.data, [(each.message, each.path, each.locations) for each in result.errors or ()]
