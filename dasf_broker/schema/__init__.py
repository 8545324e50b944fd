"""The GraphQL schema: types, queries, mutations and subscriptions. It knows no transport.

A host with its own schema inherits from these classes and names its schema in
``DASF_GRAPHQL_SCHEMA``::

    from dasf_broker import schema as broker

    @strawberry.type
    class Query(broker.Query, MyQuery): ...

    schema = broker.Schema(Query, Mutation, Subscription)

Without its own schema, a host uses ``schema`` as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import strawberry
from django.utils.module_loading import import_string
from graphql import GraphQLError

from dasf_broker import app_settings
from dasf_broker.schema.execution.context import Context, Info
from dasf_broker.schema.execution.documents import DocumentCache
from dasf_broker.schema.execution.executor import Executor, mark_plain_fields
from dasf_broker.schema.mutations import Mutation
from dasf_broker.schema.queries import Query
from dasf_broker.schema.scalars import SCALARS
from dasf_broker.schema.subscriptions import Subscription
from dasf_broker.schema.types.topics import BrokerTopic, ResponseTopic

__all__ = [
    "Context",
    "Info",
    "Mutation",
    "Query",
    "Schema",
    "Subscription",
    "schema",
    "served_schema",
]


class Schema(strawberry.Schema):
    """A strawberry schema with the extensions of the broker; it takes the same parameters."""

    def __init__(
        self,
        query: type,
        mutation: type | None = None,
        subscription: type | None = None,
        *,
        types: Iterable[Any] = (),
        extensions: Iterable[Any] = (),
        scalar_overrides: Mapping[Any, Any] | None = None,
        execution_context_class: type[Executor] = Executor,
        **options: Any,
    ) -> None:
        super().__init__(
            query,
            mutation,
            subscription,
            types=(BrokerTopic, ResponseTopic, *types),
            extensions=(DocumentCache, *extensions),
            scalar_overrides={**SCALARS, **(scalar_overrides or {})},
            execution_context_class=execution_context_class,
            **options,
        )
        mark_plain_fields(self._schema)

    def process_errors(self, errors: list[GraphQLError], execution_context: Any = None) -> None:
        """Log nothing here: :mod:`dasf_broker.answers` logs unexpected errors, with a log id."""


@strawberry.type(name="Query", description="Read topics, messages and the state of the broker.")
class _Query(Query):
    pass


@strawberry.type(
    name="Mutation", description="Publish, acknowledge and ping; create and change topics."
)
class _Mutation(Mutation):
    pass


@strawberry.type(
    name="Subscription", description="Receive messages, pings, pongs and changes of availability."
)
class _Subscription(Subscription):
    pass


def served_schema() -> strawberry.Schema:
    """Return the schema that ``DASF_GRAPHQL_SCHEMA`` names."""
    served: strawberry.Schema = import_string(app_settings.DASF_GRAPHQL_SCHEMA)
    return served


schema = Schema(_Query, _Mutation, _Subscription)
