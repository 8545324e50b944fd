"""Variables with lists: their lengths, before the items are read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from graphql import (
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLSchema,
    VariableDefinitionNode,
    is_input_type,
    type_from_ast,
)


@dataclass(frozen=True, slots=True)
class ListVariables:
    """The variables of one operation that are lists or contain lists.

    Lists in a JSON value do not count: that is the body of a message, which is limited in bytes.
    """

    _types: tuple[tuple[str, GraphQLInputType], ...]

    @classmethod
    def of(
        cls, schema: GraphQLSchema, definitions: Sequence[VariableDefinitionNode]
    ) -> Self | None:
        """Return the variables with lists of an operation, or ``None`` if there are none."""
        types = [
            (each.variable.name.value, type_from_ast(schema, each.type)) for each in definitions
        ]
        found = [
            (name, type_)
            for name, type_ in types
            if type_ is not None and is_input_type(type_) and _has_lists(type_, set())
        ]
        return cls(tuple(found)) if found else None

    def most_items(self, variables: Mapping[str, Any], limit: int) -> int:
        """Return the number of items in the lists of the variable that has most.

        Above ``limit`` it counts no further.
        """
        return max(_items(variables.get(name), type_, limit) for name, type_ in self._types)


def _has_lists(type_: GraphQLInputType, seen: set[str]) -> bool:
    if isinstance(type_, GraphQLNonNull):
        return _has_lists(type_.of_type, seen)
    if isinstance(type_, GraphQLList):
        return True
    if not isinstance(type_, GraphQLInputObjectType) or type_.name in seen:
        return False
    seen.add(type_.name)
    return any(_has_lists(each.type, seen) for each in type_.fields.values())


def _items(root: Any, root_type: GraphQLInputType, limit: int) -> int:
    """Return how many items the lists in a value have together."""
    count, waiting = 0, [(root, root_type)]
    while waiting and count <= limit:
        value, type_ = waiting.pop()
        if isinstance(type_, GraphQLNonNull):
            type_ = type_.of_type
        if isinstance(type_, GraphQLList) and isinstance(value, list):
            count += len(value)
            if _has_lists(type_.of_type, set()):
                waiting += [(each, type_.of_type) for each in value]
        elif isinstance(type_, GraphQLList):
            # GraphQL takes a single item for a list of one.
            waiting.append((value, type_.of_type))
        elif isinstance(type_, GraphQLInputObjectType) and isinstance(value, dict):
            fields = type_.fields
            waiting += [(each, fields[name].type) for name, each in value.items() if name in fields]
    return count
