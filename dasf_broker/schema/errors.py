"""Format errors for GraphQL clients: text, location and code, without internal details."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from graphql import GraphQLError

from dasf_broker.answers import Answer, answer_to
from dasf_broker.domain.texts import MAX_TEXT, printable
from dasf_broker.exceptions import BadInputError
from dasf_broker.schema.limits.errors import InvalidDocumentError

#: How suggestions of graphql-core begin. They name types and fields that the caller may not see.
_SUGGESTION = "Did you mean "


def format_errors(errors: Iterable[Exception]) -> list[dict[str, Any]]:
    """Return errors as the client receives them.

    Errors that graphql-core finds in a document or its variables become ``BAD_INPUT``. All others
    are answered by :func:`dasf_broker.answers.answer_to`.
    """
    return [_format(part) for error in errors for part in _parts(error)]


def _parts(error: Exception) -> Sequence[Exception]:
    return error.errors if isinstance(error, InvalidDocumentError) else [error]


def format_answer(answer: Answer) -> dict[str, Any]:
    """Return an answer as a GraphQL error without a location in the document."""
    return {"message": answer.message, "extensions": answer.extensions}


def _format(error: Exception) -> dict[str, Any]:
    if not isinstance(error, GraphQLError):
        return format_answer(answer_to(error))
    if (cause := _cause(error)) is not None:
        answer = answer_to(cause)
        message, extensions = answer.message, answer.extensions
    else:
        message = printable(_without_suggestions(error.message))
        extensions = {**(error.extensions or {}), "code": BadInputError.code}
    return {"message": message, **_location(error), "extensions": extensions}


def _location(error: GraphQLError) -> dict[str, Any]:
    location: dict[str, Any] = {}
    if error.locations:
        location["locations"] = [each.formatted for each in error.locations]
    if error.path is not None:
        location["path"] = error.path
    return location


def _cause(error: GraphQLError) -> BaseException | None:
    """Return the exception that a resolver raised; ``None`` for an error of graphql-core itself."""
    cause: BaseException | None = error.original_error
    while isinstance(cause, GraphQLError):
        cause = cause.original_error
    # With a location in the document but no path in the result, a value could not be read: some
    # scalars wrap the error of their parser. With neither, it is an error in the program.
    if error.path is None and error.nodes and isinstance(cause, (ValueError, TypeError)):
        return None
    return cause


def _without_suggestions(message: str) -> str:
    """Return a text without its suggestions, also without one that is cut off."""
    kept, rest = "", message[:MAX_TEXT]
    while (start := rest.find(_SUGGESTION)) >= 0:
        end = rest.find("?", start)
        if end < 0 and len(message) <= MAX_TEXT:
            break
        kept += rest[:start].rstrip()
        rest = rest[end + 1 :] if end >= 0 else ""
    return kept + rest
