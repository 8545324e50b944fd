"""A GraphQL request and its result, the same for all transports."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from inspect import isawaitable
from typing import Any

from graphql import DocumentNode, ExecutionResult, OperationType
from strawberry import Schema
from strawberry.types.graphql import OperationType as StrawberryOperationType

from dasf_broker import app_settings, runtime
from dasf_broker.auth import Identity
from dasf_broker.concurrency.shares import working_for
from dasf_broker.domain.rates import Activity
from dasf_broker.exceptions import BadInputError, ForbiddenError, PayloadTooLargeError
from dasf_broker.operations import rate_limits
from dasf_broker.schema.errors import format_errors
from dasf_broker.schema.execution.context import Context
from dasf_broker.schema.execution.documents import (
    Document,
    DocumentCache,
    Operation,
    is_known,
    read_document,
)
from dasf_broker.schema.execution.executor import build_executor
from dasf_broker.schema.limits.errors import InvalidDocumentError
from dasf_broker.schema.limits.visibility import may_introspect
from dasf_broker.transports.connection.socket_budget import memory_of
from dasf_broker.transports.json_codec import key_of, write_json

#: The validation of a document, in fields: it takes as long as their execution.
DOCUMENT = 250

_ANSWERED = (StrawberryOperationType.QUERY, StrawberryOperationType.MUTATION)

_HIDDEN = (
    "You may not query the schema of this server: see the setting DASF_INTROSPECTION. The broker's "
    "own schema is in the file schema.graphql of its source."
)

_NEEDS_STREAM = (
    "A subscription needs a websocket (graphql-transport-ws, same URL), or the header "
    "'Accept: text/event-stream'."
)


@dataclass(frozen=True, slots=True)
class GraphQLRequest:
    """A document, its variables, and which of its operations to execute."""

    query: str
    variables: dict[str, Any]
    operation_name: str | None
    #: Bytes over HTTP, or characters of the frame.
    size: int = 0

    @classmethod
    def read(cls, value: Any, *, size: int = 0) -> GraphQLRequest:
        """Return the request that a client sent as JSON.

        Parameters
        ----------
        value
            The JSON value.
        size
            Its bytes or characters, when it was sent.

        Raises
        ------
        BadInputError
            It is not an object with a text ``query``, or another value has the wrong type.
        """
        if not isinstance(value, dict):
            raise BadInputError("A request is a JSON object with a `query`.")
        query = value.get("query")
        variables = value.get("variables")
        operation_name = value.get("operationName")
        extensions = value.get("extensions")
        if not isinstance(query, str) or not query.strip():
            raise BadInputError("`query` is a text with a GraphQL document.", field="query")
        if variables is not None and not isinstance(variables, dict):
            raise BadInputError("`variables` is an object.", field="variables")
        if operation_name is not None and not isinstance(operation_name, str):
            raise BadInputError("`operationName` is a text.", field="operationName")
        if extensions is not None and not isinstance(extensions, dict):
            raise BadInputError("`extensions` is an object.", field="extensions")
        return cls(query, variables or {}, operation_name or None, size)

    def memory(self, most: int) -> int:
        """Return about how many bytes it occupies; stop counting above ``most``."""
        return memory_of([self.query, self.variables, self.operation_name], most)


@dataclass(frozen=True, slots=True)
class Call:
    """A request, its caller, and the context of its resolvers."""

    identity: Identity
    request: GraphQLRequest
    context: Context


@dataclass(frozen=True, slots=True)
class Result:
    """The result of a query or mutation."""

    body: dict[str, Any]

    @property
    def was_executed(self) -> bool:
        """Whether the operation was executed; otherwise the request was wrong."""
        return "data" in self.body

    @classmethod
    def refused(cls, error: Exception) -> Result:
        """Return the result of a request that was not executed."""
        return cls({"errors": format_errors([error])})


def writable_errors(errors: Iterable[Exception]) -> list[dict[str, Any]]:
    """Return errors as the client receives them, or one error if they cannot be written as JSON."""
    formatted = format_errors(errors)
    try:
        write_json(formatted)
    except (TypeError, ValueError) as error:  # the details of a host's own error
        return format_errors([error])
    return formatted


def operation_type(schema: Schema, request: GraphQLRequest) -> OperationType:
    """Return the type of the operation that a request asks for.

    Raises
    ------
    InvalidDocumentError
        The document is not valid, or the operation exceeds a limit.
    PayloadTooLargeError
        The request is large, and publishes no message; or the variables of a subscription are too
        large.
    """
    return examine(schema, request)[0]


def examine(schema: Schema, request: GraphQLRequest) -> tuple[OperationType, GraphQLRequest]:
    """Return the type of the operation, and the request with declared variables only.

    A subscription keeps its request until it ends.

    Raises
    ------
    InvalidDocumentError
        The document is not valid, or the operation exceeds a limit.
    PayloadTooLargeError
        The variables of the subscription are too large.
    """
    operation = _operation(read_document(schema._schema, request.query), request)
    kept = replace(request, variables=operation.declared(request.variables))
    if operation.type is OperationType.SUBSCRIPTION:
        _check_kept(kept.variables)
    return operation.type, kept


def held_memory(schema: Schema, request: GraphQLRequest, most: int) -> int:
    """Return about how many bytes a running subscription keeps; stop counting above ``most``."""
    size = read_document(schema._schema, request.query).size
    return size + memory_of(request.variables, most - size)


def _check_kept(variables: dict[str, Any]) -> None:
    most = app_settings.DASF_MAX_SUBSCRIPTION_VARIABLES
    if variables and (size := len(key_of(variables))) > most:
        raise PayloadTooLargeError(
            f"The variables of a subscription have at most {most} bytes as JSON, these have "
            f"{size}; send less."
        )


def _operation(document: Document, request: GraphQLRequest) -> Operation:
    operation = document.operation(request.operation_name)
    operation.check_size(request.size)
    operation.check_variables(request.variables)
    operation.check_values(request.variables)
    return operation


async def execute(schema: Schema, request: GraphQLRequest, context: Context) -> Result:
    """Execute a query or a mutation; errors become part of the result.

    Raises
    ------
    PayloadTooLargeError
        The request is large, and publishes no message.
    RateLimitedError
        The caller sent too many queries, or too many large ones at once.
    UnavailableError
        The database does not answer whether the caller may query the schema.
    """
    with working_for(context.caller.share):
        return await _answer(schema, request, context)


async def take_turn(schema: Schema, request: GraphQLRequest) -> None:
    """Wait until the event loop has time for a document that it has to validate first."""
    turns = runtime.current().turns
    if not is_known(schema._schema, request.query):
        while turns.is_over():
            await turns.wait()
        turns.is_over(DOCUMENT)


async def _answer(schema: Schema, request: GraphQLRequest, context: Context) -> Result:
    await take_turn(schema, request)
    try:
        document = read_document(schema._schema, request.query)
        operation = _operation(document, request)
    except InvalidDocumentError as error:
        return Result.refused(error)
    # Only queries have introspection fields.
    if operation.introspects and not await may_introspect(context.caller.user):
        return Result.refused(ForbiddenError(_HIDDEN))
    if operation.type is OperationType.SUBSCRIPTION:
        return Result.refused(BadInputError(_NEEDS_STREAM))
    if operation.type is OperationType.QUERY:
        await rate_limits.admit(context.caller, Activity.QUERY)
    queries = runtime.current().large_queries
    async with queries.passed(context.caller.share) if operation.is_large else nullcontext():
        done = await _execute(schema, document.node, request, context)
    errors = format_errors(done.errors or ())
    if done.data is None and not any("path" in error for error in errors):
        return Result({"errors": errors})
    body: dict[str, Any] = {"data": done.data}
    if errors:
        body["errors"] = errors
    if done.extensions:
        body["extensions"] = done.extensions
    return Result(body)


async def _execute(
    schema: Schema, document: DocumentNode, request: GraphQLRequest, context: Context
) -> Any:
    if any(each is not DocumentCache for each in schema.extensions):
        return await schema.execute(
            request.query,
            variable_values=request.variables,
            context_value=context,
            operation_name=request.operation_name,
            allowed_operation_types=_ANSWERED,
        )
    # Strawberry's own execution, for extensions, would take a quarter of the time of a publish.
    executor = build_executor(
        schema,
        document,
        variables=request.variables,
        operation_name=request.operation_name,
        context=context,
    )
    if isinstance(executor, list):
        return ExecutionResult(None, errors=executor)
    done = executor.execute_operation()
    return await done if isawaitable(done) else done
