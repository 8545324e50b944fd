"""Errors in the form that GraphQL clients get: text, place, code, and nothing leaked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from graphql import GraphQLError

from dasf_broker.answers import Answer, answer_to
from dasf_broker.exceptions import BadInputError
from dasf_broker.schema.limits.errors import InvalidDocumentError

#: Characters of a text of graphql-core, at most: it repeats values that the client chose.
MAX_MESSAGE = 1024

#: The beginning of graphql-core's guesses. They name types and fields that the caller may not know.
_SUGGESTION = "Did you mean "


def format_errors(errors: Iterable[Exception]) -> list[dict[str, Any]]:
    """Return errors as they go to the client.

    What graphql-core finds wrong in a document or its variables becomes ``BAD_INPUT``. All else is
    answered by :func:`dasf_broker.answers.answer_to`.
    """
    return [_format(part) for error in errors for part in _parts(error)]


def _parts(error: Exception) -> Sequence[Exception]:
    return error.errors if isinstance(error, InvalidDocumentError) else [error]


def format_answer(answer: Answer) -> dict[str, Any]:
    """Return an answer as a GraphQL error without a place in the document."""
    return {"message": answer.message, "extensions": answer.extensions}


def _format(error: Exception) -> dict[str, Any]:
    if not isinstance(error, GraphQLError):
        return format_answer(answer_to(error))
    if (cause := _cause(error)) is not None:
        answer = answer_to(cause)
        message, extensions = answer.message, answer.extensions
    else:
        message = _without_suggestions(error.message)
        extensions = {**(error.extensions or {}), "code": BadInputError.code}
    return {"message": message, **_places(error), "extensions": extensions}


def _places(error: GraphQLError) -> dict[str, Any]:
    places: dict[str, Any] = {}
    if error.locations:
        places["locations"] = [location.formatted for location in error.locations]
    if error.path is not None:
        places["path"] = error.path
    return places


def _cause(error: GraphQLError) -> BaseException | None:
    """Return what a resolver raised; ``None`` for what graphql-core found wrong itself."""
    cause: BaseException | None = error.original_error
    while isinstance(cause, GraphQLError):
        cause = cause.original_error
    # At a place of the document, but not of the result: a value could not be read. Some scalars
    # wrap the error of their parser. Without any place it is an error of the program.
    if error.path is None and error.nodes and isinstance(cause, (ValueError, TypeError)):
        return None
    return cause


def _without_suggestions(message: str) -> str:
    """Return a text without its guesses; a guess that is cut off goes, too."""
    kept, rest = "", message[:MAX_MESSAGE]
    while (start := rest.find(_SUGGESTION)) >= 0:
        end = rest.find("?", start)
        if end < 0 and len(message) <= MAX_MESSAGE:
            break
        kept += rest[:start].rstrip()
        rest = rest[end + 1 :] if end >= 0 else ""
    return kept + rest
