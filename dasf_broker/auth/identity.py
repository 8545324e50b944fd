"""Identify callers by a token or a Django session; without either they are anonymous.

A wrong credential is refused, and its caller is never taken for anonymous: a client with a mistyped
key gets an error that says so, instead of refusals of its operations.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib.auth.middleware import auser as DJANGOS_AUSER  # noqa: N812 - to compare with

from dasf_broker import database, runtime
from dasf_broker.auth import failures
from dasf_broker.auth.client_address import address_of_request
from dasf_broker.auth.credentials import Credential, CredentialKind
from dasf_broker.auth.sessions import session_user, user_of
from dasf_broker.auth.tokens import key_in, token_owners
from dasf_broker.exceptions import UnauthenticatedError
from dasf_broker.operations.caller import Caller

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User
    from django.http import HttpRequest


@dataclass(frozen=True, slots=True)
class Identity:
    """A caller with their credential; an anonymous caller has none."""

    caller: Caller
    credential: Credential | None = None

    @property
    def by_session(self) -> bool:
        """Whether a session cookie identified the caller.

        A page of another site may have sent such a request: check its origin.
        """
        return self.credential is not None and self.credential.kind is CredentialKind.SESSION


async def identify_request(request: HttpRequest) -> Identity:
    """Return the identity of a caller: the owner of the token, else the user of the session.

    Raises
    ------
    UnauthenticatedError, RateLimitedError, UnavailableError
        As :func:`identify_token`.
    """
    address = address_of_request(request)
    if (authorization := request.headers.get("authorization")) is not None:
        return await identify_token(authorization, address=address)
    user = await user_of_request(request)
    session_key = request.COOKIES.get(settings.SESSION_COOKIE_NAME)
    return await database.read_first(_identify_user, user, session_key, address)


async def user_of_request(request: HttpRequest) -> User | AnonymousUser | None:
    """Return the user that Django's session, or middleware of the host, gives a request.

    Raises
    ------
    UnavailableError
        The database does not answer.
    """
    auser = getattr(request, "auser", None)
    if auser is None:
        return None
    if getattr(auser, "func", None) is not DJANGOS_AUSER:  # the host has another way
        user: User | AnonymousUser | None = await auser()
        return user
    # Not Django's own, which may change the session: see :mod:`.sessions`.
    return await database.read_first(user_of, request.session)


async def identify_session(session_key: str | None, *, address: str | None = None) -> Identity:
    """Return the user of a session, for transports without Django's middleware.

    Raises
    ------
    UnavailableError
        The database does not answer.
    """

    def identify() -> Identity:
        return _identify_user(session_user(session_key), session_key, address)

    return await database.read_first(identify)


async def identify_token(authorization: str, *, address: str | None = None) -> Identity:
    """Return the owner of the token in an ``Authorization`` header.

    The tokens of several callers are read together.

    Parameters
    ----------
    authorization
        ``Bearer KEY`` or ``Token KEY``.
    address
        The address of the caller, if it is known.

    Raises
    ------
    UnauthenticatedError
        The token is not valid.
    RateLimitedError
        There were too many wrong tokens from this address.
    UnavailableError
        The database does not answer.
    """
    key = key_in(authorization)
    failures.check(address, key)
    owner = await runtime.current().lookup(token_owners).get(key)
    if owner is None:
        raise await failures.note_invalid(address)
    failures.note_valid(key)
    user, credential = owner
    return Identity(Caller.of(user, address=address), credential)


def authorization_in(payload: Mapping[str, Any] | None) -> str | None:
    """Return the ``Authorization`` of a ``connection_init`` payload, in upper or lower case.

    Raises
    ------
    UnauthenticatedError
        The value is not a text.
    """
    for name, value in (payload or {}).items():
        if name.lower() == "authorization" and value is not None:
            if not isinstance(value, str):
                raise UnauthenticatedError("Authorization is a text like 'Bearer KEY'.")
            return value
    return None


def _identify_user(
    user: User | AnonymousUser | None, session_key: str | None, address: str | None
) -> Identity:
    caller = Caller.of(user, address=address)
    if caller.is_anonymous:
        return Identity(caller)
    return Identity(caller, Credential(CredentialKind.SESSION, session_key))
