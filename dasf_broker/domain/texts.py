"""Texts that the database can store and search for."""

from __future__ import annotations

from dasf_broker.exceptions import BadInputError


def is_storable(text: str) -> bool:
    """Tell whether PostgreSQL and UTF-8 can represent the text."""
    return "\0" not in text and not any("\ud800" <= each <= "\udfff" for each in text)


def check_text(text: str, *, field: str) -> str:
    """Return ``text`` if the database can store it.

    Raises
    ------
    BadInputError
        It has a NUL character, or half a surrogate pair.
    """
    if not is_storable(text):
        raise BadInputError(f"{field} holds a NUL character or half a surrogate pair.", field=field)
    return text
