"""Who is calling: a token, a Django session, or nobody.

A credential that is wrong is refused, never taken for "nobody": a client with a mistyped key
must learn that, instead of wondering why it may not do anything.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, auto
from importlib import import_module
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.conf import settings
from django.contrib.auth import get_user
from django.db.models import Q
from django.utils import timezone

from dasf_broker.exceptions import UnauthenticatedError
from dasf_broker.models import ApiToken
from dasf_broker.operations.caller import Caller

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User
    from django.contrib.sessions.backends.base import SessionBase

#: Every key begins like this, so that a leaked one can be recognised for what it is.
KEY_MARK = "dasf"

_REFUSED = "The token is wrong, expired or revoked; get a new one with `manage.py dasf_token`."


class CredentialKind(Enum):
    """What can vouch for a caller."""

    #: A token of ours, by primary key.
    TOKEN = auto()
    #: A token of Django REST Framework, by its key.
    DRF_TOKEN = auto()
    #: A Django session, by its key.
    SESSION = auto()


@dataclass(frozen=True, slots=True)
class Credential:
    """What vouched for a caller, to be looked at again later."""

    kind: CredentialKind
    key: Any = field(repr=False)


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

    Raises
    ------
    UnauthenticatedError
        There is a token, and it does not let anybody in.
    """
    if authorization is not None:
        owner, credential = _owner_of_key(_key_in(authorization))
        return Identity(Caller.of(owner), credential)
    if user is not None and user.is_authenticated:
        return Identity(Caller.of(user), Credential(CredentialKind.SESSION, session_key))
    return Identity(Caller.of(None))


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


def session_user(session_key: str | None) -> User | AnonymousUser | None:
    """Return the user of a Django session, for doors that Django's middleware does not reach."""
    if not session_key:
        return None
    return get_user(_SessionHolder(session_store(session_key)))  # type: ignore[arg-type]


def session_store(session_key: str) -> SessionBase:
    """Return a Django session, which is not read before it is asked for something."""
    store: type[SessionBase] = import_module(settings.SESSION_ENGINE).SessionStore
    return store(session_key)


def create_token(
    user: User, *, label: str = "", expires: datetime | None = None
) -> tuple[ApiToken, str]:
    """Make a token; return it with its key, which is kept nowhere and cannot be shown again."""
    prefix = secrets.token_hex(4)
    key = f"{KEY_MARK}_{prefix}_{secrets.token_urlsafe(32)}"
    token = ApiToken.objects.create(
        user=user, label=label, prefix=prefix, digest=_digest(key), expires=expires
    )
    return token, key


@dataclass(frozen=True, slots=True)
class _SessionHolder:
    """What ``django.contrib.auth.get_user`` wants to see of a request."""

    session: Any


def _key_in(authorization: str) -> str:
    scheme, _, key = authorization.strip().partition(" ")
    if scheme.lower() not in ("bearer", "token") or not key.strip():
        raise UnauthenticatedError("Authorization is 'Bearer KEY' or 'Token KEY'.")
    return key.strip()


def _owner_of_key(key: str) -> tuple[User, Credential]:
    if not key.isascii() or not key.isprintable():  # no key is, and the database may choke on it
        raise UnauthenticatedError(_REFUSED)
    is_ours = key.startswith(f"{KEY_MARK}_")
    found = _owner_of_api_token(key) if is_ours else _owner_of_drf_token(key)
    if found is None or not found[0].is_active:
        raise UnauthenticatedError(_REFUSED)
    return found


def _owner_of_api_token(key: str) -> tuple[User, Credential] | None:
    prefix = key.split("_", 2)[1]
    token = ApiToken.objects.select_related("user").filter(prefix=prefix).first()
    # Compared even where there is none, so that time does not tell which prefixes exist.
    matches = hmac.compare_digest(_digest(key), token.digest if token else _digest(""))
    now = timezone.now()
    if token is None or not matches or not token.is_usable(now):
        return None
    _note_use(token, now)
    return token.user, Credential(CredentialKind.TOKEN, token.pk)


def _note_use(token: ApiToken, now: datetime) -> None:
    stale = now - ApiToken.LAST_USED_STEP
    if token.last_used is None or token.last_used < stale:
        unused = Q(last_used__isnull=True) | Q(last_used__lt=stale)
        ApiToken.objects.filter(unused, pk=token.pk).update(last_used=now)


def _owner_of_drf_token(key: str) -> tuple[User, Credential] | None:
    if not apps.is_installed("rest_framework.authtoken"):
        return None
    tokens = apps.get_model("authtoken", "Token")._default_manager
    token = tokens.select_related("user").filter(key=key).first()
    return None if token is None else (token.user, Credential(CredentialKind.DRF_TOKEN, key))


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
