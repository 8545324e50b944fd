"""Tell which results are the same for every viewer.

The result of a subscription is rendered once and sent to all subscribers with the same document,
unless it contains a field that depends on the viewer. A field without a resolver is the same for
every viewer; a field with a resolver only if it is declared with :func:`shared`. So a new field
that is not declared is rendered for each viewer.
"""

from __future__ import annotations

from typing import Any

import strawberry
from graphql import (
    DocumentNode,
    FieldNode,
    GraphQLObjectType,
    GraphQLSchema,
    TypeInfo,
    TypeInfoVisitor,
    Visitor,
    visit,
)

_SHARED = "dasf_broker.shared"


def shared(description: str, **options: Any) -> Any:
    """Make a method a field whose value is the same for every viewer."""
    return strawberry.field(description=description, metadata={_SHARED: True}, **options)


def depends_on_viewer(schema: GraphQLSchema, document: DocumentNode) -> bool:
    """Tell whether a subscription selects a field that may differ between viewers.

    The root field does not count: it chooses the events, and does not render them.
    """
    type_info = TypeInfo(schema)
    finder = _Finder(schema, type_info)
    visit(document, TypeInfoVisitor(type_info, finder))
    return finder.found


class _Finder(Visitor):
    def __init__(self, schema: GraphQLSchema, type_info: TypeInfo) -> None:
        super().__init__()
        self._schema = schema
        self._types = type_info
        self.found = False

    def enter_field(self, node: FieldNode, *_: Any) -> None:
        parent = self._types.get_parent_type()
        if parent is None or parent is self._schema.subscription_type:
            return
        owners = (
            [parent]
            if isinstance(parent, GraphQLObjectType)
            else self._schema.get_possible_types(parent)
        )
        self.found = self.found or any(_may_differ(owner, node.name.value) for owner in owners)


def _may_differ(owner: GraphQLObjectType, name: str) -> bool:
    if name == "id" or name.startswith("__"):
        return False  # it belongs to the object, and is equal for all viewers
    field = owner.fields[name]
    definition = field.extensions.get("strawberry-definition")
    if definition is None or definition.is_basic_field:
        return False
    return not definition.metadata.get(_SHARED, False)
