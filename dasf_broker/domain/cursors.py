"""Cursors: positions in a topic, as opaque texts that clients send back."""

from __future__ import annotations

import base64
import json
from typing import Any

from dasf_broker.domain.texts import MAX_TEXT, is_storable, shown
from dasf_broker.exceptions import BadInputError

#: Positions are stored as signed 64 bit integers.
MAX_POSITION = 2**63 - 1


def encode_cursor(*position: str | int) -> str:
    """Return the opaque text for a position."""
    return base64.urlsafe_b64encode(json.dumps(position).encode()).decode().rstrip("=")


def decode_cursor(cursor: str, *kinds: type, field: str) -> tuple[Any, ...]:
    """Return the position that :func:`encode_cursor` was given.

    Parameters
    ----------
    cursor
        The text that the client sent.
    *kinds
        The type of each part of the position.
    field
        The argument to name in the error.

    Raises
    ------
    BadInputError
        It is not a cursor of this kind.
    """
    position = _read(cursor) if len(cursor) <= MAX_TEXT else None  # ours are short
    if (
        isinstance(position, list)
        and len(position) == len(kinds)
        and all(_fits(part, kind) for part, kind in zip(position, kinds, strict=True))
    ):
        return tuple(position)
    raise BadInputError(
        f"{shown(cursor)} is not a cursor of this list; use one that the broker gave you.",
        field=field,
    )


def _read(cursor: str) -> Any:
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        return json.loads(base64.urlsafe_b64decode(padded.encode("ascii")))
    except (ValueError, RecursionError):
        return None


def _fits(part: Any, kind: type) -> bool:
    if type(part) is not kind:  # a boolean is no number here
        return False
    if isinstance(part, str):
        return is_storable(part)
    return isinstance(part, int) and 0 <= part <= MAX_POSITION


def message_cursor(topic_id: int, sequence: int) -> str:
    """Return the cursor of a stored message.

    It names the topic by primary key, which is never used again: a cursor of a deleted topic
    cannot be mistaken for one of a topic with the same slug created later.
    """
    return encode_cursor(topic_id, sequence)


def decode_message_cursor(cursor: str, *, field: str) -> tuple[int, int]:
    """Return topic id and sequence of a message cursor.

    Raises
    ------
    BadInputError
        It is not a cursor of a message.
    """
    topic_id, sequence = decode_cursor(cursor, int, int, field=field)
    return topic_id, sequence
