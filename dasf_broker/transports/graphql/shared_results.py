"""Execute subscriptions once for each event and distinct operation, not for each subscriber.

Subscribers of one process get the same event object. The first subscriber that needs the result of
an operation renders its text and stores it with the event; the others send the same text. If the
operation selects a field that depends on the viewer, only subscriptions of one viewer share it.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable
from contextlib import aclosing
from functools import partial
from hashlib import blake2b
from typing import Any
from weakref import WeakValueDictionary

from graphql import (
    DocumentNode,
    ExecutionResult,
    GraphQLError,
    create_source_event_stream,
    located_error,
)
from strawberry import Schema

from dasf_broker.realtime.mailbox import Results
from dasf_broker.schema.errors import format_errors
from dasf_broker.schema.execution.context import Context
from dasf_broker.schema.execution.documents import load_document
from dasf_broker.schema.execution.executor import build_executor
from dasf_broker.schema.execution.sharing import depends_on_viewer
from dasf_broker.schema.limits.errors import InvalidDocumentError
from dasf_broker.schema.types.messages import Message
from dasf_broker.transports.connection.socket_budget import ResultSlots
from dasf_broker.transports.graphql.execution import GraphQLRequest
from dasf_broker.transports.json_codec import key_of, write_json


async def stream(
    schema: Schema, request: GraphQLRequest, context: Context, slots: ResultSlots
) -> AsyncIterator[tuple[Any, str]]:
    """Yield each event of a subscription with its result as a JSON text.

    Parameters
    ----------
    schema, request, context
        The operation.
    slots
        Limits how many results of one client are rendered and not sent yet.

    Raises
    ------
    InvalidDocumentError
        The request is wrong.
    GraphQLError
        The caller may not subscribe, or the stream failed.
    """
    operation = _operation(schema, request)
    key = operation.key_for(context)
    async with aclosing(await operation.events(context)) as events:
        while True:
            try:
                event = await anext(events)
            except StopAsyncIteration:
                return
            except Exception as error:  # noqa: BLE001 - it is raised as one of the root field
                raise operation.located(error) from None
            if not slots.take():
                await slots.wait()
            try:
                result = _result(operation, event, context, key)
                # Shielded: the subscriber that renders may end while others wait for the text.
                yield event, result if isinstance(result, str) else await asyncio.shield(result)
                del event, result  # they may be large, and the next ones long in coming
            finally:
                slots.give_back()


# --- operations -------------------------------------------------------------------------------


class _Operation:
    """The operation of a subscription, the same object for all equal requests."""

    def __init__(self, schema: Schema, document: DocumentNode, request: GraphQLRequest) -> None:
        executor = build_executor(
            schema, document, variables=request.variables, operation_name=request.operation_name
        )
        if isinstance(executor, list):
            raise InvalidDocumentError(executor)
        self._executor = executor
        self._depends_on_viewer = depends_on_viewer(schema._schema, document)

    def key_for(self, context: Context) -> Any:
        """Return the key by which subscribers share results."""
        if not self._depends_on_viewer:
            return self
        return self, context.caller, context.root_url

    async def events(self, context: Context) -> Any:
        """Return the source stream of the root field, opened for one subscriber."""
        created: Any = create_source_event_stream(self._execution(None, context))
        stream = await created if inspect.isawaitable(created) else created
        if isinstance(stream, ExecutionResult):
            raise InvalidDocumentError(stream.errors or [])
        return stream

    def located(self, error: Exception) -> GraphQLError:
        """Return an error of the source stream as one of the root field."""
        field = self._executor.operation.selection_set.selections[0]
        name = getattr(field, "alias", None) or getattr(field, "name", None)
        return located_error(error, [field], [name.value] if name else [])

    def render(self, event: Any, context: Context) -> str | Awaitable[str]:
        """Return the result for an event as a JSON text."""
        # A new one for each event: the loaders of a context keep what they read.
        fresh = Context(context.caller, root_url=context.root_url)
        root = event.to_render() if isinstance(event, Message) else event
        result = self._execution(root, fresh).execute_operation(False)
        return _text_later(result) if inspect.isawaitable(result) else _text(result)

    def _execution(self, root: Any, context: Context) -> Any:
        executor = self._executor.build_per_event_executor(root)
        executor.context_value = context
        # graphql-core 3.3.2 shares this cache between all events, but with keys that are made for
        # each event: it would grow by a kilobyte an event for as long as the subscription lasts.
        executor._relevant_sub_fields = {}
        return executor


#: The operations of running subscriptions, by digest: a key lasts as long as a subscription.
_operations: WeakValueDictionary[tuple[Schema, bytes], _Operation] = WeakValueDictionary()


def _operation(schema: Schema, request: GraphQLRequest) -> _Operation:
    document = load_document(schema._schema, request.query)
    key = schema, _digest(request)
    operation = _operations.get(key)
    if operation is None:
        operation = _operations[key] = _Operation(schema, document, request)
    return operation


def _digest(request: GraphQLRequest) -> bytes:
    parts = [request.query, request.operation_name, request.variables]
    return blake2b(key_of(parts).encode(), digest_size=32).digest()


# --- results ----------------------------------------------------------------------------------


def _result(
    operation: _Operation, event: Any, context: Context, key: Any
) -> str | asyncio.Future[str]:
    """Return the result for an event, rendered once for all subscribers with the same key."""
    results: Any = getattr(event, "memo", {})
    found: str | asyncio.Future[str] | None = results.get(key)
    if found is not None:
        return found
    made = operation.render(event, context)
    if isinstance(made, str):
        _keep(results, key, made)
        return made
    future = results[key] = asyncio.ensure_future(made)
    future.add_done_callback(partial(_keep_later, results, key))
    return future


def _keep(results: Any, key: Any, text: str) -> None:
    if isinstance(results, Results):
        results.keep(key, text)


def _keep_later(results: Any, key: Any, future: asyncio.Future[str]) -> None:
    if not future.cancelled() and future.exception() is None:
        _keep(results, key, future.result())


async def _text_later(result: Awaitable[ExecutionResult]) -> str:
    return _text(await result)


def _text(result: ExecutionResult) -> str:
    body: dict[str, Any] = {"data": result.data}
    if result.errors:
        body["errors"] = format_errors(result.errors)
    return write_json(body)
