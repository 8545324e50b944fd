"""Texts that the database can store and search for."""

from __future__ import annotations

import string
from uuid import UUID

from dasf_broker.exceptions import BadInputError

#: The characters of a UUID, also in braces or as a URN.
_OF_UUIDS = frozenset(f"{string.hexdigits}-{{}}urn:id")

#: Longest text of a UUID: a URN with braces.
_LONGEST_UUID = 47


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


def parse_uuid(text: str) -> UUID:
    """Return the UUID in a text.

    Raises
    ------
    ValueError
        It is not a UUID. Python itself would also take digits of other scripts, and underscores.
    """
    if len(text) > _LONGEST_UUID or not _OF_UUIDS.issuperset(text):
        raise ValueError("badly formed hexadecimal UUID string")
    return UUID(text)
