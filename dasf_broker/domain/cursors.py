"""Cursors: positions in a topic, as opaque texts that clients send back."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import UUID

from dasf_broker.domain.texts import MAX_TEXT, is_storable, shown
from dasf_broker.exceptions import BadInputError, CursorExpiredError

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
    return _decode(cursor, kinds, field=field)


def _decode(cursor: str, *forms: Sequence[type], field: str) -> tuple[Any, ...]:
    position = _read(cursor)
    if any(_is_of(position, kinds) for kinds in forms):
        return tuple(position)
    raise BadInputError(
        f"{shown(cursor)} is not a cursor of this list; use one that the broker gave you.",
        field=field,
    )


def _read(cursor: str) -> Any:
    if len(cursor) > MAX_TEXT:  # ours are short
        return None
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        return json.loads(base64.urlsafe_b64decode(padded.encode("ascii")))
    except (ValueError, RecursionError):
        return None


def _is_of(position: Any, kinds: Sequence[type]) -> bool:
    return (
        isinstance(position, list)
        and len(position) == len(kinds)
        and all(_fits(part, kind) for part, kind in zip(position, kinds, strict=True))
    )


def _fits(part: Any, kind: type) -> bool:
    if type(part) is not kind:  # a boolean is no number here
        return False
    if isinstance(part, str):
        return is_storable(part)
    return isinstance(part, int) and 0 <= part <= MAX_POSITION


# --- messages ---------------------------------------------------------------------------------


class Head(NamedTuple):
    """The end of a topic's messages."""

    #: The sequence of the newest message that was ever stored.
    sequence: int
    #: The epoch of the sequences: see :mod:`dasf_broker.domain.epochs`.
    epoch: int = 0
    #: The id of that message, if it was read and is still stored.
    message_id: UUID | None = None


class MessagePosition(NamedTuple):
    """What the cursor of a message says."""

    topic_id: int
    sequence: int
    epoch: int = 0

    def is_within(self, head: Head) -> bool:
        """Tell whether the topic still counts as it did when it gave the cursor."""
        return self.epoch == head.epoch and self.sequence <= head.sequence


def message_cursor(topic_id: int, sequence: int, epoch: int) -> str:
    """Return the cursor of a stored message.

    It names the topic by primary key, which is never used again: a cursor of a deleted topic
    cannot be mistaken for one of a topic with the same slug created later. Epoch 0 is left out:
    so are the cursors that releases without epochs gave.
    """
    return encode_cursor(*(topic_id, sequence, epoch) if epoch else (topic_id, sequence))


def decode_message_cursor(cursor: str, *, field: str) -> MessagePosition:
    """Return the position that :func:`message_cursor` was given.

    Raises
    ------
    BadInputError
        It is not a cursor of a message.
    """
    return MessagePosition(*_decode(cursor, (int, int), (int, int, int), field=field))


def sequence_in(topic_id: int, head: Head, cursor: str, *, field: str) -> int:
    """Return the sequence of a cursor of this topic.

    Raises
    ------
    BadInputError
        It is not a cursor of a message of the topic.
    CursorExpiredError
        The database went back since the topic gave it: the sequence means another message now.
    """
    position = decode_message_cursor(cursor, field=field)
    if position.topic_id != topic_id:
        raise BadInputError(f"{shown(cursor)} is a cursor of another topic.", field=field)
    if not position.is_within(head):
        raise CursorExpiredError(
            f"The cursor {shown(cursor)} can no longer be honoured: the broker's database was "
            f"restored since. Begin without `{field}`."
        )
    return position.sequence
