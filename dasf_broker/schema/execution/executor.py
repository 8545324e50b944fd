"""The executor: that of graphql-core, with a fast path for plain fields.

Most selected fields are plain: a text, a number or an enum that is an attribute of its object, or
that a method without arguments returns. For each field graphql-core and strawberry build a
description of the field, its arguments and the caller, which takes longer than all other steps.
Plain fields do not use it, so the executor gets and coerces their values directly.

Long lists take turns with everything else in the event loop.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from graphql import (
    DocumentNode,
    GraphQLField,
    GraphQLLeafType,
    GraphQLObjectType,
    GraphQLSchema,
    get_nullable_type,
    is_leaf_type,
)
from strawberry import Schema
from strawberry.execution.is_awaitable import optimized_is_awaitable
from strawberry.types.field import StrawberryField

from dasf_broker import runtime
from dasf_broker.concurrency.turns import Turns
from dasf_broker.schema.execution.context import Context
from dasf_broker.schema.execution.long_lists import LongList, WaitingLists
from dasf_broker.schema.execution.result_size import FIELD, CountingExecutor

_PLAIN = "dasf_broker.plain"


@dataclass(frozen=True, slots=True)
class _Plain:
    """The getter and the type of a plain field."""

    get: Callable[[Any], Any]
    type: GraphQLLeafType


class Executor(CountingExecutor):
    """Executes one operation, with the same result as graphql-core's own executor."""

    #: Fields since :meth:`take_count`.
    _fields = 0

    def execute_field(
        self,
        parent_type: GraphQLObjectType,
        source: Any,
        field_details_list: Any,
        path: Any,
        position_context: Any,
    ) -> Any:
        """Return the value of a field, or an awaitable of it; ``None`` after an error."""
        self._fields += 1
        if path.prev is None and parent_type is self.schema.mutation_type:
            self._forget_reads()
        field = parent_type.fields.get(field_details_list[0].node.name.value)
        plain = field.extensions.get(_PLAIN) if field else None
        if field is None or plain is None or self.middleware_manager:
            return super().execute_field(
                parent_type, source, field_details_list, path, position_context
            )
        try:
            self._left -= FIELD + len(path.key)  # its value is counted next
            value = plain.get(source)
            is_awaitable = self.is_awaitable(value)
            if value is not None and not is_awaitable and not isinstance(value, Exception):
                return self.complete_leaf_value(plain.type, value)
            # graphql-core handles all other values, and reports their errors.
            nodes = [each.node for each in field_details_list]
            info = self.build_resolve_info(field, nodes, parent_type, path)
            complete = self.complete_awaitable_value if is_awaitable else self.complete_value
            return complete(field.type, field_details_list, info, path, value, position_context)
        except Exception as error:  # noqa: BLE001 - it becomes the field's error
            self.handle_field_error(error, field.type, field_details_list, path)
            return None

    def complete_iterable_value(
        self,
        item_type: Any,
        field_details_list: Any,
        info: Any,
        path: Any,
        items: Any,
        position_context: Any,
    ) -> Any:
        """Return the items of a list, or an awaitable of them if they need several turns."""
        if (turns := _turns()) is None:
            return super().complete_iterable_value(
                item_type, field_details_list, info, path, items, position_context
            )
        # A host may execute our schema with a context of its own.
        waiting = getattr(self.context_value, "waiting_lists", None) or WaitingLists(turns)
        arguments = item_type, field_details_list, info, position_context
        return LongList(self, turns, waiting, items, path, *arguments).complete()

    def _forget_reads(self) -> None:
        # Mutations are executed one after the other: each reads what those before it changed.
        if isinstance(self.context_value, Context):  # a host may execute with one of its own
            self.context_value.forget_reads()

    def take_count(self) -> int:
        """Return how many fields were executed since the last call."""
        fields, self._fields = self._fields, 0
        return fields


def _turns() -> Turns | None:
    """Return the turns of the running loop; ``None`` if a host executes without a loop."""
    try:
        return runtime.current().turns
    except RuntimeError:
        return None


def mark_plain_fields(schema: GraphQLSchema) -> None:
    """Mark the plain fields of a schema, once for all executions."""
    for kind in schema.type_map.values():
        if isinstance(kind, GraphQLObjectType):
            for field in kind.fields.values():
                if (plain := _plain(field)) is not None:
                    field.extensions[_PLAIN] = plain


def _plain(field: GraphQLField) -> _Plain | None:
    definition = field.extensions.get("strawberry-definition")
    leaf = get_nullable_type(field.type)
    if definition is None or definition.extensions or field.args or not is_leaf_type(leaf):
        return None
    get = _getter(definition)
    return None if get is None else _Plain(get, leaf)


def _getter(definition: StrawberryField) -> Callable[[Any], Any] | None:
    resolver = definition.base_resolver
    if resolver is None:
        is_attribute = definition.default_resolver is getattr
        return attrgetter(definition.python_name) if is_attribute else None
    needs_only_object = resolver.self_parameter and len(resolver.signature.parameters) == 1
    if resolver.is_async or not needs_only_object or not callable(resolver.wrapped_func):
        return None
    return resolver.wrapped_func


def build_executor(
    schema: Schema,
    document: DocumentNode,
    *,
    variables: dict[str, Any],
    operation_name: str | None,
    context: object = None,
) -> Any:
    """Return the executor of one operation of a valid document.

    Returns
    -------
    Executor or list
        A list of errors if the variables are wrong.
    """
    return schema.execution_context_class.build(
        schema._schema,
        document,
        context_value=context,
        raw_variable_values=variables,
        operation_name=operation_name,
        is_awaitable=optimized_is_awaitable,  # type: ignore[arg-type]
        hide_suggestions=True,
    )
