"""Whom a token lets in."""

from __future__ import annotations

from django.contrib.auth.models import User

from dasf_broker.auth import token_owners


def token_owner(key: str) -> User | None:
    """Return the user whom a key lets in; nothing if it lets nobody in."""
    found = token_owners([key]).get(key)
    return found and found[0]
