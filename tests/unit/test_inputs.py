"""Messages that clients write become inputs without a look at the type of each field."""

from __future__ import annotations

from typing import Annotated, Any, cast
from uuid import UUID

import pytest
import strawberry
from strawberry.schema.config import StrawberryConfig

from dasf_broker.domain.envelope import MessageType
from dasf_broker.schema.inputs import PublishMessageInput

ID = "0f8fad5b-d9cb-469f-a165-70867728950e"
seen: list[Any] = []


@strawberry.type
class Query:
    """Notes what it is given."""

    @strawberry.field
    def note(self, inputs: list[PublishMessageInput | None]) -> bool:
        """Note inputs."""
        seen[:] = inputs
        return True


@pytest.mark.parametrize("is_camel", [True, False])
@pytest.mark.parametrize("is_literal", [True, False])
def test_every_field_arrives(is_camel: bool, is_literal: bool) -> None:
    """Under the names that the host chose, in the document or beside it."""
    names = ("messageId", "messageType") if is_camel else ("message_id", "message_type")
    message: dict[str, Any] = {
        "topic": "t", names[0]: ID, names[1]: "PONG", "data": {"a": [1]}, "text": None, "context": 5
    }  # fmt: skip
    _send(message, is_camel=is_camel, is_literal=is_literal)
    assert seen == [
        PublishMessageInput(
            topic="t",
            message_id=UUID(ID),
            message_type=MessageType.PONG,
            data=cast("Any", {"a": [1]}),
            text=None,
            context=5,
        )
    ]


@pytest.mark.parametrize("is_literal", [True, False])
def test_what_is_left_out(is_literal: bool) -> None:
    """Has its default, which is not null."""
    _send({"topic": "t"}, is_literal=is_literal)
    assert seen == [PublishMessageInput(topic="t")]
    assert seen[0].message_type is MessageType.REQUEST
    assert seen[0].payload is strawberry.UNSET


def test_null_is_no_message() -> None:
    """It stays null."""
    _send(None, is_literal=False)
    assert seen == [None]


@strawberry.input
class Extended(PublishMessageInput):
    """A host's own input with a field that is no scalar."""

    more: PublishMessageInput | None = None


def test_a_host_may_extend_it() -> None:
    """Fields of all types are read as strawberry reads them."""

    @strawberry.type(name="Query")
    class Extending:
        @strawberry.field
        def note(
            self,
            input: Annotated[Extended, strawberry.argument()],  # noqa: A002
        ) -> bool:
            seen[:] = [input]
            return True

    schema = strawberry.Schema(Extending)
    done = schema.execute_sync('{ note(input: {topic: "a", more: {topic: "b"}}) }')
    assert done.errors is None
    assert seen == [Extended(topic="a", more=PublishMessageInput(topic="b"))]


def _send(message: Any, *, is_camel: bool = True, is_literal: bool) -> None:
    schema = strawberry.Schema(Query, config=StrawberryConfig(auto_camel_case=is_camel))
    if is_literal:
        done = schema.execute_sync(f"{{ note(inputs: [{_literal(message)}]) }}")
    else:
        query = "query Note($inputs: [PublishMessageInput]!) { note(inputs: $inputs) }"
        done = schema.execute_sync(query, variable_values={"inputs": [message]})
    assert done.errors is None


def _literal(value: Any) -> str:
    match value:
        case None:
            return "null"
        case dict():
            return "{" + " ".join(f"{name}: {_literal(each)}" for name, each in value.items()) + "}"
        case list():
            return "[" + " ".join(map(_literal, value)) + "]"
        case "PONG" | int():
            return str(value)
        case _:
            return f'"{value}"'
