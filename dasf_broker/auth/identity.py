"""Who is calling: a token, a Django session, or nobody.

A credential that is wrong is refused, never taken for "nobody": a client with a mistyped key
must learn that, instead of wondering why it may not do anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dasf_broker import runtime
from dasf_broker.auth import failures
from dasf_broker.auth.credentials import Credential, CredentialKind
from dasf_broker.auth.tokens import Owner, key_in, owners
from dasf_broker.exceptions import UnauthenticatedError
from dasf_broker.operations.caller import Caller

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User


@dataclass(frozen=True, slots=True)
class Identity:
    """A caller, and what vouched for them; nothing for nobody in person."""

    caller: Caller
    credential: Credential | None = None

    @property
    def by_session(self) -> bool:
        """Whether a browser's cookie vouched for the caller.

        Such requests may have been made by another site's page: check where they come from.
        """
        return self.credential is not None and self.credential.kind is CredentialKind.SESSION


def identify(
    authorization: str | None,
    user: User | AnonymousUser | None = None,
    session_key: str | None = None,
    *,
    address: str | None = None,
) -> Identity:
    """Return who is calling.

    Parameters
    ----------
    authorization
        The value of an ``Authorization`` header: ``Bearer KEY`` or ``Token KEY``.
    user
        The user of the Django session, asked only where there is no token.
    session_key
        The key of that session.
    address
        Where they call from, if that is known.

    Raises
    ------
    UnauthenticatedError
        There is a token, and it does not let anybody in.
    RateLimitedError
        There were too many of those from this address.
    """
    if authorization is not None:
        key = key_in(authorization)
        failures.check(address, key)
        owner = owners([key]).get(key)
        if owner is None:
            raise failures.was_wrong_now(address)
        return _identity(key, owner, address)
    if user is not None and user.is_authenticated:
        caller = Caller.of(user, address=address)
        return Identity(caller, Credential(CredentialKind.SESSION, session_key))
    return Identity(Caller.of(None, address=address))


async def identify_token(authorization: str, *, address: str | None = None) -> Identity:
    """Return whose token is in the value of a header, read together with those of others.

    Raises
    ------
    UnauthenticatedError
        It does not let anybody in.
    RateLimitedError
        There were too many of those from this address.
    UnavailableError
        The database does not answer.
    """
    key = key_in(authorization)
    failures.check(address, key)
    owner = await runtime.current().lookup(owners).get(key)
    if owner is None:
        raise await failures.was_wrong(address)
    return _identity(key, owner, address)


def authorization_in(payload: Mapping[str, Any] | None) -> str | None:
    """Return the ``Authorization`` of a ``connection_init`` payload, whatever case its key has.

    Raises
    ------
    UnauthenticatedError
        It is not a text.
    """
    for name, value in (payload or {}).items():
        if name.lower() == "authorization" and value is not None:
            if not isinstance(value, str):
                raise UnauthenticatedError("Authorization is a text like 'Bearer KEY'.")
            return value
    return None


def _identity(key: str, owner: Owner, address: str | None) -> Identity:
    failures.was_right(key)
    user, credential = owner
    return Identity(Caller.of(user, address=address), credential)
