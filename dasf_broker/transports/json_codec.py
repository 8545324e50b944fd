"""Read JSON from clients and write JSON to them, the same way in all transports."""

from __future__ import annotations

import json
from typing import Any

from dasf_broker.domain import json_text


def read_json(text: str) -> Any:
    """Return the value of a JSON text that a client sent.

    Raises
    ------
    PayloadTooLargeError
        The text has too many values.
    BadInputError
        The text is not JSON, or is nested too deeply.
    """
    return json_text.parse(text)


def write_json(value: Any) -> str:
    """Return a value as JSON that every parser reads, in ASCII.

    Raises
    ------
    ValueError
        It cannot be written so: it has NaN, infinity, or half a surrogate pair.
    """
    text = _encoder.encode(value)
    if "\\ud" in text:  # a surrogate, or the same characters in a text
        _unescaped.encode(value).encode()
    return text


def key_of(value: Any) -> str:
    """Return a text that is the same for equal JSON values, also for those that are not strict."""
    return _lenient.encode(value)


_encoder = json.JSONEncoder(separators=(",", ":"), allow_nan=False)
_unescaped = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False)
_lenient = json.JSONEncoder(separators=(",", ":"))
