"""The error of an operation that is not executed."""

from __future__ import annotations

from graphql import GraphQLError


class InvalidDocumentError(Exception):
    """The operation cannot be executed; ``errors`` says why."""

    def __init__(self, errors: list[GraphQLError]) -> None:
        super().__init__(errors)
        self.errors = errors
