"""An operation for every argument of the schema, made from the schema itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from graphql import (
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    get_named_type,
    is_composite_type,
    is_required_argument,
    is_required_input_field,
)

#: Values that the broker accepts, by the names of arguments and fields.
GOOD: dict[str, Any] = {
    "topic": "topic",
    "slug": "topic",
    "id": "QnJva2VyVG9waWM6MQ==",
    "messageId": "9b2c6f0e-6a1d-4c7a-9d5e-0c1e6a3b7f10",
    "permission": "CAN_CONSUME",
}


class Argument(NamedTuple):
    """An argument, or a field of its input object, and an operation that sets it."""

    name: str
    document: str
    #: The type that it has in the end.
    type: str
    path: tuple[str | int, ...]
    around: Any

    def variables(self, value: Any) -> dict[str, Any]:
        """Return the variables with which the operation sets the argument."""
        return {"x": _put(self.around, self.path, value)}


def arguments_of(schema: GraphQLSchema) -> list[Argument]:
    """Return the arguments of all fields that can be asked for, with one field around them."""
    found: list[Argument] = []
    for operation in ("query", "mutation", "subscription"):
        root = getattr(schema, f"{operation}_type")
        for name, field in root.fields.items():
            found += _arguments(operation, name, field, "{}")
    topic = schema.get_type("Topic")
    assert isinstance(topic, GraphQLInterfaceType)
    for kind in [topic, *schema.get_possible_types(topic)]:
        assert isinstance(kind, GraphQLInterfaceType | GraphQLObjectType)
        found += [each for each in _below_topic(kind) if each.name not in _names(found)]
    return found


def _names(arguments: list[Argument]) -> set[str]:
    return {each.name for each in arguments}


def _below_topic(kind: GraphQLObjectType | GraphQLInterfaceType) -> Iterator[Argument]:
    around = '{{ topic(slug: "topic") {{ ... on %s {} }} }}' % kind.name  # noqa: UP031 - braces
    for name, field in kind.fields.items():
        for each in _arguments("query", name, field, around):
            yield each._replace(name=f"{kind.name}.{each.name}")


def _arguments(operation: str, name: str, field: GraphQLField, around: str) -> Iterator[Argument]:
    below = " { __typename }" if is_composite_type(get_named_type(field.type)) else ""
    for argument, definition in field.args.items():
        others = "".join(
            f", {other}: {_literal(other)}"
            for other, each in field.args.items()
            if other != argument and is_required_argument(each)
        )
        selection = f"{{ {name}({argument}: $x{others}){below} }}"
        inner = selection if around == "{}" else around.format(selection)
        document = f"{operation} ($x: {definition.type}) {inner}"
        for path, kind, value in _leaves(argument, definition.type):
            label = ".".join([name, argument, *(str(each) for each in path)])
            yield Argument(label, document, kind, path, value)


def _leaves(name: str, type_: Any) -> Iterator[tuple[tuple[str | int, ...], str, Any]]:
    """Yield the path of each single value in an argument, its type, and what is around it."""
    if isinstance(type_, GraphQLNonNull):
        yield from _leaves(name, type_.of_type)
    elif isinstance(type_, GraphQLList):
        for path, kind, value in _leaves(name, type_.of_type):
            yield (0, *path), kind, [value]
    elif isinstance(type_, GraphQLInputObjectType):
        required = {
            each: GOOD[each]
            for each, definition in type_.fields.items()
            if is_required_input_field(definition)
        }
        for each, definition in type_.fields.items():
            for path, kind, value in _leaves(each, definition.type):
                yield (each, *path), kind, {**required, each: value}
    else:
        yield (), type_.name, None


def _literal(name: str) -> str:
    value = GOOD[name]
    return value if name == "permission" else f'"{value}"'


def _put(around: Any, path: tuple[str | int, ...], value: Any) -> Any:
    if not path:
        return value
    name, *rest = path
    inner = _put(around[name], tuple(rest), value)
    return [inner] if isinstance(around, list) else {**around, name: inner}
