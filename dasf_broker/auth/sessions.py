"""Django sessions: who is logged in, found without changing the session.

``django.contrib.auth.get_user`` gives a session a new key if an old secret
(``SECRET_KEY_FALLBACKS``) signed it, and deletes a session that it cannot verify. A response
without Django's middleware does not tell the browser the new key, which would end the session. So
the transports of the broker verify sessions by the same rules, and only read.

A cookie says nothing in a project without sessions: it may be that of another program on the same
host. Nor does it say anything while the session engine fails.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import lru_cache
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
from django.db import InterfaceError, OperationalError
from django.utils.crypto import constant_time_compare

from dasf_broker.concurrency.outage_log import OutageLog

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from django.contrib.sessions.backends.base import SessionBase

logger = logging.getLogger(__name__)

#: Most characters of a key. Browsers keep no longer cookies, and some sessions are their own key.
MAX_SESSION_KEY = 4096

#: Failures that are not those of the database, which every part of the broker reports alike.
_ENGINE = OutageLog(logger, "The session engine")


def session_store(session_key: str) -> SessionBase | None:
    """Return a session, which is read when it is first used; ``None`` if there can be none."""
    # A cookie may contain any character in quotes, and databases refuse some of them.
    is_key = len(session_key) <= MAX_SESSION_KEY and session_key.isascii()
    is_key = is_key and session_key.isprintable()
    try:
        store = session_class()
        return None if store is None else store(session_key if is_key else None)
    except Exception:  # noqa: BLE001 - whatever the engine of the host raises
        _ENGINE.failed()
        return None


def session_class() -> type[SessionBase] | None:
    """Return the class of all sessions; ``None`` if the project has no sessions."""
    return _class_of(settings.SESSION_ENGINE)


@lru_cache
def _class_of(engine: str) -> type[SessionBase] | None:
    found: type[SessionBase] = import_module(engine).SessionStore
    if hasattr(found, "get_model_class"):
        try:
            found.get_model_class()
        except RuntimeError:  # it belongs to no app of the project
            return None
    return found


def session_user(session_key: str | None) -> User | AnonymousUser | None:
    """Return the user of a session by its key."""
    session = session_store(session_key) if session_key else None
    return None if session is None else user_of(session)


def user_of(session: SessionBase) -> User | AnonymousUser:
    """Return the user of a session, by Django's rules. Only reads."""
    backend, key = _login(session)
    if key is None or backend not in settings.AUTHENTICATION_BACKENDS:
        return AnonymousUser()
    user = load_backend(backend).get_user(key)
    return user if user is not None and is_verified(session, user) else AnonymousUser()


def _login(session: SessionBase) -> tuple[Any, Any]:
    """Return the backend and the primary key of the user who logged in, or twice ``None``."""
    try:
        backend = session.get(BACKEND_SESSION_KEY)
    except (OperationalError, InterfaceError):
        raise
    except Exception:  # noqa: BLE001 - whatever the engine of the host raises
        _ENGINE.failed()
        return None, None
    _ENGINE.recovered()
    return backend, user_key(session)


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
