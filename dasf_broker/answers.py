"""Turn any exception into the answer to the client, for all transports.

The broker's own errors keep their text and code. A database that does not answer becomes
``UNAVAILABLE``. Anything else becomes ``INTERNAL``: the client gets a log id only. For each
``UNAVAILABLE`` and ``INTERNAL``, the log has the cause with the ``logId`` of the answer.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, NamedTuple

from dasf_broker import database
from dasf_broker.concurrency.outage_log import RepeatLog, new_log_id
from dasf_broker.domain.texts import printable
from dasf_broker.exceptions import (
    INTERNAL,
    BrokerError,
    ForbiddenError,
    NotFoundError,
    PayloadTooLargeError,
    RateLimitedError,
    UnauthenticatedError,
    UnavailableError,
)

logger = logging.getLogger(__name__)


class _Codes(NamedTuple):
    """The codes of an error in each protocol."""

    status: HTTPStatus
    close_code: int


#: The close codes are explained in :mod:`dasf_broker.transports.connection.close_codes`.
_CODES: dict[type[BrokerError], _Codes] = {
    UnauthenticatedError: _Codes(HTTPStatus.UNAUTHORIZED, 4401),
    ForbiddenError: _Codes(HTTPStatus.FORBIDDEN, 4403),
    NotFoundError: _Codes(HTTPStatus.NOT_FOUND, 4400),
    PayloadTooLargeError: _Codes(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, 1009),
    RateLimitedError: _Codes(HTTPStatus.TOO_MANY_REQUESTS, 1013),
    UnavailableError: _Codes(HTTPStatus.SERVICE_UNAVAILABLE, 1013),
}
_BAD_REQUEST = _Codes(HTTPStatus.BAD_REQUEST, 4400)
_FAILED = _Codes(HTTPStatus.INTERNAL_SERVER_ERROR, 1011)


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to an error, for all protocols."""

    #: The text for people.
    message: str
    #: The stable ``code`` for programs, and its details.
    extensions: Mapping[str, Any]
    #: The HTTP status of a request that failed as a whole.
    status: HTTPStatus
    #: The close code of a websocket that ends with the error.
    close_code: int

    @property
    def text(self) -> str:
        """The text for people, for protocols that have no other place for the log id."""
        log_id = self.extensions.get("logId")
        is_named = log_id is None or log_id in self.message
        return self.message if is_named else f"{self.message} (log id {log_id})"

    @property
    def retry_after(self) -> int | None:
        """Seconds after which another attempt may succeed, if they are known."""
        return self.extensions.get("retryAfter")


def answer_to(error: BaseException) -> Answer:
    """Return the answer to an exception; log what the operator should hear of."""
    cause = _cause(error)
    if not isinstance(cause, BrokerError):
        unavailable = database.unavailable(cause)
        if unavailable is None:
            return _unexpected(cause)
        # In a thread of the host's, say: what the broker's threads do was logged by them.
        unavailable.details["logId"] = _log(cause)
        cause = unavailable
    extensions = {**cause.extensions, **_log_id(cause)}
    return Answer(printable(str(cause)), extensions, *_codes(cause))


def _unexpected(cause: BaseException) -> Answer:
    log_id = _log(cause)
    text = f"An unexpected error occurred; its cause is in the server's log as {log_id}."
    return Answer(text, {"code": INTERNAL, "logId": log_id}, *_FAILED)


def _log_id(cause: BrokerError) -> dict[str, str]:
    """Return the log id of an error that needs one, and is not in the log yet."""
    if cause.log_id is not None:
        return {}
    if cause.code == INTERNAL:
        return {"logId": _log(cause)}
    if cause.code == UnavailableError.code:
        return {"logId": _refusals.note(str(cause))}
    return {}


def _cause(error: BaseException) -> BaseException:
    """Return the exception of a group's task, if it is the only one."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        [error] = error.exceptions
    return error


def _codes(error: BrokerError) -> _Codes:
    known = (_CODES[kind] for kind in type(error).__mro__ if kind in _CODES)
    return next(known, _FAILED if error.code == INTERNAL else _BAD_REQUEST)


def _log(cause: BaseException) -> str:
    log_id = new_log_id()
    logger.error("The broker failed (log id %s).", log_id, exc_info=cause)
    return log_id


#: Refusals like a full queue come by the thousand: a text is logged once in so many seconds.
_refusals = RepeatLog(logger, "Clients are answered with UNAVAILABLE", seconds=60.0)
