"""Django sessions, for doors that Django's middleware does not reach."""

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
    """Return a session, which is not read before it is asked for something."""
    store: type[SessionBase] = import_module(settings.SESSION_ENGINE).SessionStore
    # Others are none, and databases choke on some: a cookie can have any character in quotes.
    is_key = session_key.isascii() and session_key.isprintable()
    return store(session_key if is_key else None)


def session_user(session_key: str | None) -> User | AnonymousUser | None:
    """Return the user of a session."""
    if not session_key:
        return None
    return get_user(_SessionHolder(session_store(session_key)))  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class _SessionHolder:
    """What ``django.contrib.auth.get_user`` wants to see of a request."""

    session: Any
