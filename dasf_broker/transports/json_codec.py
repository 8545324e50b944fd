"""Read JSON from clients and write JSON to them, the same way in all transports."""

from __future__ import annotations

import json
from typing import Any

from dasf_broker.exceptions import BadInputError


def read_json(text: str | bytes) -> Any:
    """Return the value of a JSON text that a client sent.

    Raises
    ------
    BadInputError
        The text is not JSON, or is nested too deeply.
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise BadInputError("This is not JSON, or it is nested too deeply.") from None


def write_json(value: Any) -> str:
    """Return a value as JSON in ASCII, because a lone surrogate cannot be encoded as UTF-8."""
    return _encoder.encode(value)


_encoder = json.JSONEncoder(separators=(",", ":"))
