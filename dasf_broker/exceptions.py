"""What can go wrong, and the stable code that callers may rely on.

::

    BrokerError
    ├── BadInputError          BAD_INPUT           a value is wrong; ``field`` names it
    ├── UnauthenticatedError   UNAUTHENTICATED     the credential is missing, wrong or expired
    ├── NotFoundError          NOT_FOUND           it does not exist, or the caller may not see it
    ├── ForbiddenError         FORBIDDEN           the caller may see it, but not do this
    ├── ConflictError          CONFLICT            the name or message id is taken by something else
    ├── TopicFullError         TOPIC_FULL          the topic holds as many messages as it may
    ├── PayloadTooLargeError   PAYLOAD_TOO_LARGE   the message, or what it came in, is too large
    ├── RateLimitedError       RATE_LIMITED        too much at once; ``retryAfter`` in seconds
    ├── QueryTooComplexError   QUERY_TOO_COMPLEX   the document asks for more than allowed
    ├── CursorExpiredError     CURSOR_EXPIRED      what is behind the cursor is incomplete
    ├── SlowConsumerError      SLOW_CONSUMER       the subscriber did not keep up
    └── UnavailableError       UNAVAILABLE         the broker cannot do it now; try again

The text of an error is for the person who gets it: what is wrong, with which value, what to do.
"""

from __future__ import annotations

from typing import Any, ClassVar

#: The code of everything that is not a :class:`BrokerError`: nothing but a log id is told.
INTERNAL = "INTERNAL"


class BrokerError(Exception):
    """Base of all errors that a caller of the broker may see.

    Parameters
    ----------
    message
        A sentence for the person who gets it.
    **details
        JSON values that go beside ``code`` into the ``extensions`` of a GraphQL error.
    """

    code: ClassVar[str] = INTERNAL

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(message)
        self.details = details

    @property
    def extensions(self) -> dict[str, Any]:
        """The machine-readable side: ``code`` and the details."""
        return {"code": self.code, **self.details}


class BadInputError(BrokerError):
    """A value of the request is wrong.

    Parameters
    ----------
    message
        What is wrong with which value.
    field
        The name of the argument or input field, as the caller wrote it.
    """

    code = "BAD_INPUT"

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message, **({"field": field} if field else {}))


class UnauthenticatedError(BrokerError):
    """The credential is missing where one is needed, wrong, expired or revoked."""

    code = "UNAUTHENTICATED"


class NotFoundError(BrokerError):
    """It does not exist, or the caller may not see it: both are answered alike."""

    code = "NOT_FOUND"

    @classmethod
    def topic(cls, slug: str) -> NotFoundError:
        """For a topic that is missing or hidden."""
        return cls(f"There is no topic {slug!r} that you may see.")


class ForbiddenError(BrokerError):
    """The caller may see the topic, but not do this with it."""

    code = "FORBIDDEN"


class ConflictError(BrokerError):
    """The name or message id is already used for something else."""

    code = "CONFLICT"


class TopicFullError(BrokerError):
    """The topic holds as many messages as it may; acknowledge or remove some first."""

    code = "TOPIC_FULL"


class PayloadTooLargeError(BrokerError):
    """The message, or the request or frame that it came in, is larger than a limit.

    The text names the limit.
    """

    code = "PAYLOAD_TOO_LARGE"


class RateLimitedError(BrokerError):
    """Too many requests, or too many things open at once.

    Parameters
    ----------
    message
        What there is too much of.
    retryAfter
        Whole seconds after which another attempt may succeed.
    **details
        What else goes into the ``extensions``.
    """

    code = "RATE_LIMITED"

    def __init__(self, message: str, *, retryAfter: int = 1, **details: Any) -> None:  # noqa: N803 - the contract's name
        super().__init__(message, retryAfter=retryAfter, **details)
        #: The same, for doors that say it in words of their own.
        self.retry_after = retryAfter


class QueryTooComplexError(BrokerError):
    """The GraphQL document asks for more than the server allows."""

    code = "QUERY_TOO_COMPLEX"


class CursorExpiredError(BrokerError):
    """What comes behind the cursor is no longer complete: start anew, without ``after``."""

    code = "CURSOR_EXPIRED"


class SlowConsumerError(BrokerError):
    """The subscriber did not keep up and was cut off."""

    code = "SLOW_CONSUMER"


class UnavailableError(BrokerError):
    """The broker cannot do it now (database down, locked, or queue full): try again."""

    code = "UNAVAILABLE"
