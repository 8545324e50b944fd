"""Errors as clients get them: a text for people, a stable code for programs, nothing leaked."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from typing import Any
from uuid import uuid4

from django.db import InterfaceError, OperationalError
from graphql import GraphQLError

from dasf_broker.exceptions import INTERNAL, BadInputError, BrokerError, UnavailableError

logger = logging.getLogger(__name__)

#: graphql-core's guesses name types and fields that the caller may not know.
_SUGGESTION = re.compile(r"\s*Did you mean [^?]*\?", re.DOTALL)


def present(errors: Iterable[GraphQLError]) -> list[dict[str, Any]]:
    """Return GraphQL errors as they go to the client.

    The broker's own errors keep their text and code. Errors in the document or its variables
    become ``BAD_INPUT``. Anything else becomes ``INTERNAL`` with an id under which the log
    holds the rest.
    """
    return [_present(error) for error in errors]


def _present(error: GraphQLError) -> dict[str, Any]:
    cause = _cause(error)
    shown: dict[str, Any] = {"message": _SUGGESTION.sub("", error.message)}
    if error.locations:
        shown["locations"] = [location.formatted for location in error.locations]
    if error.path is not None:
        shown["path"] = error.path
    match cause:
        case None:
            shown["extensions"] = {**(error.extensions or {}), "code": BadInputError.code}
        case BrokerError():
            shown["message"] = str(cause)
            shown["extensions"] = cause.extensions
        case OperationalError() | InterfaceError():
            _log(cause, log_id := uuid4().hex[:12])
            shown["message"] = "The broker's database does not answer now; try again."
            shown["extensions"] = {"code": UnavailableError.code, "logId": log_id}
        case _:
            _log(cause, log_id := uuid4().hex[:12])
            shown["message"] = f"Something went wrong here; the server's log has it as {log_id}."
            shown["extensions"] = {"code": INTERNAL, "logId": log_id}
    return shown


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


def _log(cause: BaseException, log_id: str) -> None:
    logger.error("A GraphQL operation failed (log id %s).", log_id, exc_info=cause)
