"""Texts of clients: which of them can be stored, and how an error repeats them.

A text may have millions of characters. It is cut before anything searches it or formats it.
"""

from __future__ import annotations

import string
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from dasf_broker.exceptions import BadInputError

#: Most characters of a text that names something, of a header that is parsed, and of an error.
MAX_TEXT = 1024

#: Most characters of a value that an error repeats.
SHOWN = 64

#: The characters of a UUID, also in braces or as a URN.
_OF_UUIDS = frozenset(f"{string.hexdigits}-{{}}urn:id")

#: Longest text of a UUID: a URN with braces.
_LONGEST_UUID = 47


def is_storable(text: str) -> bool:
    """Tell whether PostgreSQL and UTF-8 can represent the text."""
    if "\0" in text:
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def check_text(text: str, *, field: str) -> str:
    """Return ``text`` if the database can search for it.

    Raises
    ------
    BadInputError
        It is too long, or has a NUL character or half a surrogate pair.
    """
    if len(text) > MAX_TEXT:
        raise BadInputError(
            f"{field} has at most {MAX_TEXT} characters, not {len(text)}.", field=field
        )
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


def shown(value: Any) -> str:
    """Return the beginning of a client's value, as an error repeats it."""
    if isinstance(value, str):
        return repr(value[:SHOWN]) + ("..." if len(value) > SHOWN else "")
    if isinstance(value, float) or (isinstance(value, int) and value.bit_length() <= SHOWN):
        return repr(value)
    return kind_of(value)


def kind_of(value: Any) -> str:
    """Return what a JSON value is, in words."""
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "a text"
        case Mapping():
            return "an object"
        case _:
            return "a list"


def printable(text: str) -> str:
    """Return the beginning of a text, without characters that strict parsers of JSON refuse."""
    cut = text[:MAX_TEXT]
    if is_storable(cut):
        return cut
    safe = cut.encode("utf-8", "backslashreplace").decode()
    return safe.replace("\0", "\\x00")[:MAX_TEXT]
