"""Queries and mutations as a client sends them, without HTTP."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from asgiref.sync import async_to_sync
from strawberry import Schema

from dasf_broker import database
from dasf_broker.operations.caller import Caller
from dasf_broker.schema import checked, served_schema
from dasf_broker.schema.execution.context import Context
from dasf_broker.transports.graphql.execution import GraphQLRequest, execute
from dasf_broker.transports.json_codec import write_json

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User


class OperationError(Exception):
    """An operation was answered with errors.

    Parameters
    ----------
    errors
        The errors as clients get them.
    data
        The data that came with the errors.
    """

    def __init__(self, errors: list[dict[str, Any]], data: dict[str, Any] | None = None) -> None:
        super().__init__("; ".join(error["message"] for error in errors))
        self.errors = errors
        self.data = data

    @property
    def codes(self) -> list[str]:
        """The code of each error, like ``NOT_FOUND``."""
        return [error["extensions"]["code"] for error in self.errors]


class GraphQLClient:
    """Executes queries and mutations of the project's schema, in the transaction of the test.

    Parameters
    ----------
    user
        The caller; without one an anonymous caller.
    schema
        The schema to use instead of ``DASF_GRAPHQL_SCHEMA``.
    """

    def __init__(
        self, user: User | AnonymousUser | None = None, *, schema: Schema | None = None
    ) -> None:
        self._user = user
        self._schema = None if schema is None else checked(schema, "The schema of the client")

    def execute(self, query: str, variables: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Execute a query or a mutation, and return its data.

        Raises
        ------
        OperationError
            The answer has errors.
        """
        return async_to_sync(self.aexecute)(query, variables)

    async def aexecute(
        self, query: str, variables: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Do as :meth:`execute` in an asynchronous test."""
        caller = await database.read(Caller.of, self._user)
        request = GraphQLRequest(query, dict(variables or {}), None)
        context = Context(caller, root_url="http://testserver/")
        result = await execute(self._schema or served_schema(), request, context)
        return data_of(json.loads(write_json(result.body)))  # as a client reads it


def data_of(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the data of an answer.

    Raises
    ------
    OperationError
        It has errors.
    """
    if errors := body.get("errors"):
        raise OperationError(errors, body.get("data"))
    data: dict[str, Any] = body["data"]
    return data
