"""The GraphQL schema: types, queries, mutations and subscriptions. It knows no transport.

A host with its own schema inherits from these classes and names its schema in
``DASF_GRAPHQL_SCHEMA``::

    from dasf_broker import schema as broker

    @strawberry.type
    class Query(broker.Query, MyQuery): ...

    schema = broker.Schema(Query, Mutation, Subscription)

A host with types of the same names as the broker's gives these a prefix: ``prefix="Dasf"``.

Without its own schema, a host uses ``schema`` as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import strawberry
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string
from graphql import GraphQLError
from strawberry.exceptions import DuplicatedTypeName
from strawberry.schema.config import StrawberryConfig

from dasf_broker import app_settings
from dasf_broker.schema.execution.context import Context, Info
from dasf_broker.schema.execution.documents import DocumentCache
from dasf_broker.schema.execution.executor import Executor, mark_plain_fields
from dasf_broker.schema.mutations import Mutation
from dasf_broker.schema.names import PrefixedNames, resolve_types_by_class, with_prefix
from dasf_broker.schema.queries import Query
from dasf_broker.schema.scalars import SCALARS
from dasf_broker.schema.subscriptions import Subscription
from dasf_broker.schema.types.topics import BrokerTopic, ResponseTopic

__all__ = [
    "Context",
    "Info",
    "Mutation",
    "PrefixedNames",
    "Query",
    "Schema",
    "Subscription",
    "checked",
    "schema",
    "served_schema",
]


class Schema(strawberry.Schema):
    """A strawberry schema with the extensions of the broker; it takes the same parameters.

    Parameters
    ----------
    prefix
        The beginning of the names of the broker's types, if the host has types of these names.
    """

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
        config: StrawberryConfig | None = None,
        prefix: str | None = None,
        **options: Any,
    ) -> None:
        try:
            super().__init__(
                query,
                mutation,
                subscription,
                types=(BrokerTopic, ResponseTopic, *types),
                extensions=(DocumentCache, *extensions),
                scalar_overrides={**SCALARS, **(scalar_overrides or {})},
                execution_context_class=execution_context_class,
                config=with_prefix(config, prefix),
                **options,
            )
        except DuplicatedTypeName as error:
            error.add_note("Give the broker's types another name: `Schema(..., prefix='Dasf')`.")
            raise
        if isinstance(self.config.name_converter, PrefixedNames):
            resolve_types_by_class(self.schema_converter)
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


def served_schema() -> Schema:
    """Return the schema that ``DASF_GRAPHQL_SCHEMA`` names.

    Raises
    ------
    ImproperlyConfigured
        It is not a schema of the broker.
    """
    path = app_settings.DASF_GRAPHQL_SCHEMA
    return checked(import_string(path), f"DASF_GRAPHQL_SCHEMA ({path})")


def checked(served: Any, name: str) -> Schema:
    """Return a schema that is to be served, if the broker can serve it.

    Raises
    ------
    ImproperlyConfigured
        It lacks the limits of documents, the context and the scalars of the broker.
    """
    if isinstance(served, Schema):
        return served
    kind = type(served)
    raise ImproperlyConfigured(
        f"{name} is a {kind.__module__}.{kind.__qualname__}. Make it with "
        "`dasf_broker.schema.Schema`, which takes the same parameters and limits what clients may "
        "ask for."
    )


schema = Schema(_Query, _Mutation, _Subscription)
