"""Parse and validate documents once: clients send the same few over and over.

Only valid documents are kept, so that nobody can fill the cache with errors, and an error is
found anew, with its locations, each time.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLSchema,
    GraphQLSyntaxError,
    OperationDefinitionNode,
    get_operation_ast,
    parse,
)
from graphql.validation import specified_rules, validate
from strawberry.extensions import SchemaExtension
from strawberry.schema.validation_rules.maybe_null import MaybeNullValidationRule
from strawberry.schema.validation_rules.one_of import OneOfInputValidationRule

from dasf_broker import app_settings
from dasf_broker.exceptions import QueryTooComplexError

#: Documents kept for one schema.
CACHED_DOCUMENTS = 512

_RULES = (*specified_rules, MaybeNullValidationRule, OneOfInputValidationRule)


class InvalidDocumentError(Exception):
    """The document cannot be executed; ``errors`` says why."""

    def __init__(self, errors: list[GraphQLError]) -> None:
        super().__init__(errors)
        self.errors = errors


def load_document(schema: GraphQLSchema, query: str) -> DocumentNode:
    """Return a document, parsed and validated.

    Raises
    ------
    InvalidDocumentError
        It does not parse, is not valid for the schema, or is larger than the settings allow.
    """
    if (size := len(query.encode(errors="replace"))) > app_settings.DASF_MAX_QUERY_SIZE:
        raise _too_complex("bytes", size, app_settings.DASF_MAX_QUERY_SIZE)
    return _load(schema, query)


def find_operation(document: DocumentNode, name: str | None) -> OperationDefinitionNode:
    """Return the operation of the document that is to be executed.

    Raises
    ------
    InvalidDocumentError
        There is none with the name, or no name was given and there are several.
    """
    operation = get_operation_ast(document, name)
    if operation is None:
        text = f"There is no operation {name!r}." if name else "Say which operation to execute."
        raise InvalidDocumentError([GraphQLError(text)])
    return operation


class DocumentCache(SchemaExtension):
    """Lets a strawberry schema take its documents from the cache."""

    def on_parse(self) -> Iterator[None]:
        """Hand over the document, parsed and validated."""
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


@lru_cache(maxsize=CACHED_DOCUMENTS)
def _load(schema: GraphQLSchema, query: str) -> DocumentNode:
    limit = app_settings.DASF_MAX_QUERY_TOKENS
    try:
        document = parse(query, max_lexical_tokens=limit)
    except GraphQLSyntaxError as error:
        if "token limit" in error.message or "tokens" in error.message:
            raise _too_complex("tokens", None, limit) from None
        raise InvalidDocumentError([error]) from None
    except RecursionError:
        raise InvalidDocumentError([GraphQLError("The document is nested too deeply.")]) from None
    errors = validate(schema, document, _RULES, hide_suggestions=True)
    if errors:
        raise InvalidDocumentError(errors)
    return document


def _too_complex(unit: str, size: int | None, limit: int) -> InvalidDocumentError:
    has = f"; this one has {size}" if size is not None else ""
    cause = QueryTooComplexError(
        f"A document has at most {limit} {unit}{has}.", limit=limit, unit=unit
    )
    return InvalidDocumentError([GraphQLError(str(cause), original_error=cause)])
