"""Django sessions, for transports without Django's middleware."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib.auth import get_user

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User
    from django.contrib.sessions.backends.base import SessionBase


def session_store(session_key: str) -> SessionBase:
    """Return a session, which is read when it is first used."""
    store: type[SessionBase] = import_module(settings.SESSION_ENGINE).SessionStore
    # A cookie may contain any character in quotes, and databases refuse some of them.
    is_key = session_key.isascii() and session_key.isprintable()
    return store(session_key if is_key else None)


def session_user(session_key: str | None) -> User | AnonymousUser | None:
    """Return the user of a session."""
    if not session_key:
        return None
    return get_user(_SessionHolder(session_store(session_key)))  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class _SessionHolder:
    """The part of a request that ``django.contrib.auth.get_user`` uses."""

    session: Any
