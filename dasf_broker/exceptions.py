"""The errors of the broker, each with a stable code for programs.

::

    BrokerError
    ├── BadInputError          BAD_INPUT           a value is wrong; ``field`` names it
    ├── UnauthenticatedError   UNAUTHENTICATED     the credential is missing, wrong or expired
    ├── NotFoundError          NOT_FOUND           it does not exist, or the caller may not see it
    ├── ForbiddenError         FORBIDDEN           the caller may see the topic, but not do this
    ├── ConflictError          CONFLICT            the name or message id is in use
    ├── TopicFullError         TOPIC_FULL          the topic stores the most messages that it may
    ├── PayloadTooLargeError   PAYLOAD_TOO_LARGE   the message, request or frame is too large
    ├── RateLimitedError       RATE_LIMITED        too many requests; ``retryAfter`` in seconds
    ├── QueryTooComplexError   QUERY_TOO_COMPLEX   the GraphQL document exceeds a limit
    ├── CursorExpiredError     CURSOR_EXPIRED      messages after the cursor may be missing
    ├── SlowConsumerError      SLOW_CONSUMER       the subscriber read too slowly
    └── UnavailableError       UNAVAILABLE         the broker cannot do this now; try again

The text of an error tells its reader what is wrong, with which value, and what to do.
"""

from __future__ import annotations

from typing import Any, ClassVar

#: The code of all errors that are not a :class:`BrokerError`; clients get only a log id.
INTERNAL = "INTERNAL"


class BrokerError(Exception):
    """Base of all errors that a caller of the broker may see.

    Parameters
    ----------
    message
        A sentence for the reader of the error.
    **details
        JSON values for the ``extensions`` of a GraphQL error, besides ``code``.
    """

    code: ClassVar[str] = INTERNAL

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(message)
        self.details = details

    @property
    def extensions(self) -> dict[str, Any]:
        """The values for programs: ``code`` and the details."""
        return {"code": self.code, **self.details}

    @property
    def log_id(self) -> str | None:
        """The id under which the log has the cause, if it was logged."""
        return self.details.get("logId")


class BadInputError(BrokerError):
    """A value of the request is wrong.

    Parameters
    ----------
    message
        The value, and what is wrong with it.
    field
        The name of the argument or input field, as the caller wrote it.
    """

    code = "BAD_INPUT"

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message, **({"field": field} if field else {}))


class UnauthenticatedError(BrokerError):
    """The credential is missing, wrong, expired or revoked."""

    code = "UNAUTHENTICATED"


class NotFoundError(BrokerError):
    """The object does not exist, or the caller may not see it: both have the same answer."""

    code = "NOT_FOUND"

    @classmethod
    def topic(cls, slug: str) -> NotFoundError:
        """Return the error for a topic that is missing or hidden."""
        # No slug is longer: a longer text names no topic.
        return cls(f"There is no topic {slug[:128]!r} that you may see.")


class ForbiddenError(BrokerError):
    """The caller may see the topic, but not do this with it."""

    code = "FORBIDDEN"


class ConflictError(BrokerError):
    """The name or message id is already used for something else."""

    code = "CONFLICT"


class TopicFullError(BrokerError):
    """The topic stores the most messages that it may; acknowledge or remove some first."""

    code = "TOPIC_FULL"


class PayloadTooLargeError(BrokerError):
    """The message, request or frame is larger than a limit.

    The text names the limit.
    """

    code = "PAYLOAD_TOO_LARGE"


class RateLimitedError(BrokerError):
    """There are too many requests, sockets or operations.

    Parameters
    ----------
    message
        What there are too many of.
    retryAfter
        Whole seconds after which another attempt may succeed.
    **details
        Further values for the ``extensions``.
    """

    code = "RATE_LIMITED"

    def __init__(self, message: str, *, retryAfter: int = 1, **details: Any) -> None:  # noqa: N803 - the contract's name
        super().__init__(message, retryAfter=retryAfter, **details)
        #: The same value, for other transports than GraphQL.
        self.retry_after = retryAfter


class QueryTooComplexError(BrokerError):
    """The GraphQL document exceeds a limit of the server."""

    code = "QUERY_TOO_COMPLEX"


class ResultTooLargeError(QueryTooComplexError):
    """The result of an operation would have more bytes than a server returns.

    Parameters
    ----------
    size
        The bytes that were counted when the operation was stopped: there may be more.
    limit
        The most bytes of a result.
    """

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(
            f"The result of an operation has at most {limit} bytes; this one has {size} or more: "
            "ask for fewer items, or for fewer fields of each.",
            limit=limit,
            value=size,
            unit="bytes",
        )


class CursorExpiredError(BrokerError):
    """Messages after the cursor may be missing: begin again without it."""

    code = "CURSOR_EXPIRED"


class SlowConsumerError(BrokerError):
    """The subscriber read so slowly that messages were removed before: subscribe again."""

    code = "SLOW_CONSUMER"


class UnavailableError(BrokerError):
    """The broker cannot do this now (database down or locked, queue full): try again."""

    code = "UNAVAILABLE"
