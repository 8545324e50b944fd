"""Subscriptions: executed once for each event and distinct operation, not for each subscriber.

Subscribers of one process are handed the same event object. The first that needs a result for
an operation renders its text and leaves it on the event; the others send the same text. Where
the operation selects a field that depends on the viewer, only the viewer's own subscriptions
share it.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable
from contextlib import aclosing
from typing import Any

from graphql import ExecutionResult, GraphQLError, create_source_event_stream, located_error
from strawberry import Schema

from dasf_broker.schema.context import Context
from dasf_broker.schema.documents import InvalidDocumentError, load_document
from dasf_broker.schema.errors import present
from dasf_broker.schema.sharing import depends_on_viewer
from dasf_broker.transports.requests import GraphQLRequest
from dasf_broker.transports.wire import write_json


class SubscriptionError(Exception):
    """The subscription cannot begin, or cannot go on; ``errors`` are ready for the client."""

    def __init__(self, errors: list[dict[str, Any]]) -> None:
        super().__init__(errors)
        self.errors = errors


async def stream(
    schema: Schema, request: GraphQLRequest, context: Context
) -> AsyncIterator[tuple[Any, str]]:
    """Yield each event of a subscription with its result as a JSON text.

    Raises
    ------
    SubscriptionError
        The request is wrong, the caller may not subscribe, or the stream broke.
    """
    renderer = _Renderer(schema, request, context)
    async with aclosing(await renderer.events()) as events:
        while True:
            try:
                event = await anext(events)
            except StopAsyncIteration:
                return
            except Exception as error:
                raise SubscriptionError(present([renderer.located(error)])) from error
            text = renderer.render(event)
            yield event, text if isinstance(text, str) else await text


class _Renderer:
    """One subscriber's operation, ready to render events."""

    def __init__(self, schema: Schema, request: GraphQLRequest, context: Context) -> None:
        try:
            document = load_document(schema._schema, request.query)
        except InvalidDocumentError as error:
            raise SubscriptionError(present(error.errors)) from None
        executor = schema.execution_context_class.build(
            schema._schema,
            document,
            None,
            context,
            request.variables,
            request.operation_name,
            hide_suggestions=True,
        )
        if isinstance(executor, list):
            raise SubscriptionError(present(executor))
        self._executor = executor
        self._context = context
        self._key = (
            request.query,
            request.operation_name,
            write_json(request.variables),
            _viewer(context) if depends_on_viewer(schema._schema, document) else None,
        )

    async def events(self) -> Any:
        """Return the source stream of the subscription's root field."""
        created: Any = create_source_event_stream(self._executor)
        stream = await created if inspect.isawaitable(created) else created
        if isinstance(stream, ExecutionResult):
            raise SubscriptionError(present(stream.errors or ()))
        return stream

    def located(self, error: Exception) -> GraphQLError:
        """Return an error of the source stream as one of the root field."""
        field = self._executor.operation.selection_set.selections[0]
        name = getattr(field, "alias", None) or getattr(field, "name", None)
        return located_error(error, [field], [name.value] if name else [])

    def render(self, event: Any) -> str | Awaitable[str]:
        """Return the result for an event, from who rendered it first."""
        renderings: dict[Any, str | asyncio.Future[str]] | None
        renderings = getattr(event, "renderings", None)
        if renderings is None:
            return self._rendered(event)
        rendering = renderings.get(self._key)
        if isinstance(rendering, str):
            return rendering
        if rendering is None:
            made = self._rendered(event)
            if isinstance(made, str):
                renderings[self._key] = made
                return made
            rendering = renderings[self._key] = asyncio.ensure_future(made)
        return self._wait_for(rendering, renderings)

    async def _wait_for(
        self, rendering: asyncio.Future[str], renderings: dict[Any, str | asyncio.Future[str]]
    ) -> str:
        # Shielded: who rendered first may go while the others still wait.
        renderings[self._key] = text = await asyncio.shield(rendering)
        return text

    def _rendered(self, event: Any) -> str | Awaitable[str]:
        result = self._execute(event)
        return _text_later(result) if inspect.isawaitable(result) else _text(result)

    def _execute(self, event: Any) -> Any:
        executor = self._executor.build_per_event_executor(event)
        # graphql-core 3.3.2 shares this cache between all events, but keys it by what each event
        # makes anew: it would grow by a kilobyte an event for as long as the subscription lasts.
        executor._relevant_sub_fields = {}
        # Anew for each event: loaders remember what they read.
        executor.context_value = Context(self._context.caller, root_url=self._context.root_url)
        return executor.execute_operation(False)


def _viewer(context: Context) -> tuple[Any, str]:
    return context.caller.user.pk, context.root_url


async def _text_later(result: Awaitable[ExecutionResult]) -> str:
    return _text(await result)


def _text(result: ExecutionResult) -> str:
    body: dict[str, Any] = {"data": result.data}
    if result.errors:
        body["errors"] = present(result.errors)
    return write_json(body)
