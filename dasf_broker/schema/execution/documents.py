"""Parse, measure and validate documents, and cache the valid ones.

Only valid documents are cached, so that clients cannot fill the cache with invalid ones. An
invalid document is validated again, with the locations of its errors, each time.
"""

from __future__ import annotations

import sys
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.core.signals import setting_changed
from django.dispatch import receiver
from graphql import (
    DocumentNode,
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLSchema,
    GraphQLSyntaxError,
    Lexer,
    OperationDefinitionNode,
    OperationType,
    Source,
    Token,
    TokenKind,
    parse,
    value_from_ast_untyped,
)
from graphql.validation import specified_rules, validate
from strawberry.extensions import SchemaExtension
from strawberry.schema.validation_rules.maybe_null import MaybeNullValidationRule
from strawberry.schema.validation_rules.one_of import OneOfInputValidationRule

from dasf_broker import app_settings
from dasf_broker.exceptions import PayloadTooLargeError
from dasf_broker.schema.limits import document_limits
from dasf_broker.schema.limits.cost import Cost
from dasf_broker.schema.limits.errors import InvalidDocumentError
from dasf_broker.schema.limits.measure import Measure, Measuring
from dasf_broker.schema.limits.short_values import ShortValues
from dasf_broker.schema.limits.variables import ListVariables

#: Most bytes of all cached documents of this process; one token takes about 400 bytes.
CACHE_BYTES = 24 * 1024 * 1024
TOKEN_BYTES = 400

#: The fields of an operation that publishes.
PUBLISHING = frozenset({"publishMessage", "publishMessages"})

_RULES = (*specified_rules, MaybeNullValidationRule, OneOfInputValidationRule)


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation of a document, with the properties that each request needs."""

    type: OperationType
    #: Whether it queries the schema.
    introspects: bool
    #: Whether it reads lists, or bodies that its caller did not send.
    is_large: bool
    #: Whether it publishes messages, which may be large.
    publishes: bool
    _node: OperationDefinitionNode
    _cost: Cost
    _defaults: Mapping[str, Any]
    _lists: ListVariables | None
    _short: ShortValues | None

    def declared(self, variables: Mapping[str, Any]) -> dict[str, Any]:
        """Return the variables that the operation declares, without all others."""
        names = {each.variable.name.value for each in self._node.variable_definitions or ()}
        return {name: value for name, value in variables.items() if name in names}

    def check_size(self, size: int) -> None:
        """Refuse a large request that publishes no message.

        Raises
        ------
        PayloadTooLargeError
            It exceeds ``DASF_MAX_REQUEST_SIZE``.
        """
        limit = app_settings.DASF_MAX_REQUEST_SIZE
        if size > limit and not self.publishes:
            raise PayloadTooLargeError(
                f"A request that publishes no message has at most {limit} bytes, this one has "
                f"{size}; send less.",
                size=size,
                limit=limit,
            )

    def check_values(self, variables: Mapping[str, Any]) -> None:
        """Refuse variables with a value that is too long, or has another form than its type.

        Raises
        ------
        InvalidDocumentError
            There is such a value.
        """
        if self._short is not None:
            self._short.check(variables)

    def check_variables(self, variables: Mapping[str, Any]) -> None:
        """Refuse variables that exceed a limit: large pages in large pages, or long lists.

        Raises
        ------
        InvalidDocumentError
            They exceed a limit of the settings.
        """
        if self._lists is not None:
            most = document_limits.ITEMS.most
            document_limits.ITEMS.check(self._lists.most_items(variables, most), self._node)
        if self._cost.terms:
            document_limits.COST.check(
                self._cost.value({**self._defaults, **variables}), self._node
            )


@dataclass(frozen=True, slots=True)
class Document:
    """A valid document."""

    node: DocumentNode
    #: About how many bytes it occupies, with its text.
    size: int
    _operations: Mapping[str | None, Operation]

    def operation(self, name: str | None) -> Operation:
        """Return the operation to execute.

        Raises
        ------
        InvalidDocumentError
            No operation has the name, or no name was given and there are several.
        """
        if name is None and len(self._operations) == 1:
            return next(iter(self._operations.values()))
        if (found := self._operations.get(name)) is None:
            text = (
                f"There is no operation {name[:64]!r}."
                if name
                else "There are several operations: give `operationName`."
            )
            raise InvalidDocumentError([GraphQLError(text)])
        return found


def is_known(schema: GraphQLSchema, query: str) -> bool:
    """Tell whether a document was validated already."""
    return _cache.get(schema, query) is not None


def load_document(schema: GraphQLSchema, query: str) -> DocumentNode:
    """Return a document, parsed and validated.

    Raises
    ------
    InvalidDocumentError
        The document is not valid GraphQL, does not fit the schema, or exceeds a limit.
    """
    return read_document(schema, query).node


def read_document(schema: GraphQLSchema, query: str) -> Document:
    """Return a document, parsed and validated, with its operations.

    Raises
    ------
    InvalidDocumentError
        The document is not valid GraphQL, does not fit the schema, or exceeds a limit.
    """
    if (kept := _cache.get(schema, query)) is not None:
        return kept
    # First: the time of all other steps grows with the size of the document.
    document_limits.SIZE.check(len(query.encode(errors="replace")))
    document = _parse(query)
    try:
        operations = _measure(schema, document)
    except RecursionError:
        raise InvalidDocumentError([GraphQLError("The document is nested too deeply.")]) from None
    except ValueError:  # more digits than Python converts to a number
        raise InvalidDocumentError(
            [GraphQLError("A number in the document is too long.")]
        ) from None
    if errors := validate(schema, document, _RULES, hide_suggestions=True):
        raise InvalidDocumentError(errors)
    size = sys.getsizeof(query) + _tokens_of(document) * TOKEN_BYTES
    made = Document(document, size, operations)
    _cache.keep(schema, query, made)
    return made


class DocumentCache(SchemaExtension):
    """An extension with which a strawberry schema takes its documents from the cache."""

    def on_parse(self) -> Iterator[None]:
        """Set the document of the execution, parsed and validated."""
        context = self.execution_context
        if context.graphql_document is None and context.query:
            try:
                context.graphql_document = load_document(context.schema._schema, context.query)
            except InvalidDocumentError as error:
                context.graphql_document = _EMPTY
                context.pre_execution_errors = error.errors
            else:
                context.pre_execution_errors = []
        yield


_EMPTY = parse("{__typename}")


def _parse(query: str) -> DocumentNode:
    most = document_limits.TOKENS.most
    try:
        # The parser keeps comments, too, but does not count them as tokens.
        return parse(query, max_lexical_tokens=most, max_comments=most)
    except GraphQLSyntaxError as error:
        if (count := _count_tokens(query, stop=most * 2)) > most:
            raise document_limits.TOKENS.exceeded(count, most) from None
        raise InvalidDocumentError([error]) from None
    except RecursionError:
        raise InvalidDocumentError([GraphQLError("The document is nested too deeply.")]) from None


def _count_tokens(query: str, stop: int) -> int:
    """Return how many tokens a document has, up to its first error."""
    lexer, count = Lexer(Source(query)), 0
    try:
        while lexer.advance().kind is not TokenKind.EOF and count <= stop:
            count += 1
    except GraphQLSyntaxError:
        pass
    return count


def _measure(schema: GraphQLSchema, document: DocumentNode) -> dict[str | None, Operation]:
    nodes = document.definitions
    fragments = [each for each in nodes if isinstance(each, FragmentDefinitionNode)]
    operations = [each for each in nodes if isinstance(each, OperationDefinitionNode)]
    document_limits.FRAGMENTS.check(len(fragments), *fragments[-1:])
    document_limits.OPERATIONS.check(len(operations), *operations[-1:])
    found = {}
    for node, measure in Measuring(schema, document).measures:
        _check(node, measure)
        if isinstance(node, OperationDefinitionNode):
            name = node.name.value if node.name else None
            found[name] = _operation(schema, node, measure)
    return found


def _check(node: OperationDefinitionNode | FragmentDefinitionNode, measure: Measure) -> None:
    """Check the limits, also in unused fragments, because they are validated as well."""
    is_of_schema = isinstance(
        node, FragmentDefinitionNode
    ) and node.type_condition.name.value.startswith("__")
    depths = [measure.introspection_depth, measure.depth if is_of_schema else 0]
    lists = [measure.introspection_lists, measure.lists if is_of_schema else 0]
    document_limits.DEPTH.check(0 if is_of_schema else measure.depth, node)
    document_limits.INTROSPECTION_DEPTH.check(max(depths), node)
    document_limits.INTROSPECTION_LISTS.check(max(lists), node)
    document_limits.ALIASES.check(measure.aliases, node)
    document_limits.DIRECTIVES.check(measure.directives, node)
    document_limits.REPEATS.check(measure.repeats, node)
    document_limits.ITEMS.check(measure.items, node)
    cost = measure.cost
    if isinstance(node, OperationDefinitionNode) and not cost.terms:
        document_limits.COST.check(cost.fields, node)


def _operation(schema: GraphQLSchema, node: OperationDefinitionNode, measure: Measure) -> Operation:
    definitions = node.variable_definitions or ()
    return Operation(
        node.operation,
        measure.introspects,
        measure.pages or (measure.bodies and node.operation is OperationType.QUERY),
        not measure.fields.isdisjoint(PUBLISHING),
        node,
        measure.cost,
        {
            each.variable.name.value: value_from_ast_untyped(each.default_value)
            for each in definitions
            if each.default_value is not None
        },
        ListVariables.of(schema, definitions),
        ShortValues.of(schema, definitions),
    )


class _Cache:
    """The documents that were used last, as many as fit."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[GraphQLSchema, str], Document] = OrderedDict()
        self._bytes = 0

    def get(self, schema: GraphQLSchema, query: str) -> Document | None:
        key = (schema, query)
        if (kept := self._kept.get(key)) is None:
            return None
        self._kept.move_to_end(key)
        return kept

    def keep(self, schema: GraphQLSchema, query: str, document: Document) -> None:
        self._kept[schema, query] = document
        self._bytes += document.size
        while self._bytes > CACHE_BYTES:
            _, oldest = self._kept.popitem(last=False)
            self._bytes -= oldest.size

    def clear(self) -> None:
        self._kept.clear()
        self._bytes = 0


_cache = _Cache()


@receiver(setting_changed)
def _clear_cache(*, setting: str, **_: Any) -> None:
    """Clear the cache when a test changes a limit: documents are measured again."""
    if setting.startswith("DASF_"):
        _cache.clear()


def _tokens_of(document: DocumentNode) -> int:
    count, token = 0, document.loc.start_token if document.loc else None
    while isinstance(token, Token):
        count, token = count + 1, token.next
    return count
