"""Django sessions: who is logged in, found without changing the session.

``django.contrib.auth.get_user`` gives a session a new key if an old secret
(``SECRET_KEY_FALLBACKS``) signed it, and deletes a session that it cannot verify. A response
without Django's middleware does not tell the browser the new key, which would end the session. So
the transports of the broker verify sessions by the same rules, and only read.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib.auth import (
    BACKEND_SESSION_KEY,
    HASH_SESSION_KEY,
    SESSION_KEY,
    get_user_model,
    load_backend,
)
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import ValidationError
from django.utils.crypto import constant_time_compare

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from django.contrib.sessions.backends.base import SessionBase

#: Most characters of a key. Browsers keep no longer cookies, and some sessions are their own key.
MAX_SESSION_KEY = 4096


def session_store(session_key: str) -> SessionBase:
    """Return a session, which is read when it is first used."""
    store: type[SessionBase] = import_module(settings.SESSION_ENGINE).SessionStore
    # A cookie may contain any character in quotes, and databases refuse some of them.
    is_key = len(session_key) <= MAX_SESSION_KEY and session_key.isascii()
    is_key = is_key and session_key.isprintable()
    return store(session_key if is_key else None)


def session_user(session_key: str | None) -> User | AnonymousUser | None:
    """Return the user of a session by its key."""
    return user_of(session_store(session_key)) if session_key else None


def user_of(session: SessionBase) -> User | AnonymousUser:
    """Return the user of a session, by Django's rules. Only reads."""
    backend = session.get(BACKEND_SESSION_KEY)
    key = user_key(session)
    if key is None or backend not in settings.AUTHENTICATION_BACKENDS:
        return AnonymousUser()
    user = load_backend(backend).get_user(key)
    return user if user is not None and is_verified(session, user) else AnonymousUser()


def user_key(session: Mapping[str, Any] | SessionBase) -> Any:
    """Return the primary key of the user of a session; ``None`` without a login."""
    name = session.get(SESSION_KEY)
    try:
        return None if name is None else get_user_model()._meta.pk.to_python(name)
    except ValidationError:
        return None


def is_verified(session: Mapping[str, Any] | SessionBase, user: User) -> bool:
    """Tell whether the session began with the user's present password and a valid secret."""
    if not hasattr(user, "get_session_auth_hash"):  # as in Django: a user without a password
        return True
    given = session.get(HASH_SESSION_KEY) or ""
    hashes = [user.get_session_auth_hash(), *user.get_session_auth_fallback_hash()]
    return any(constant_time_compare(given, each) for each in hashes)
