"""JSON as it comes from clients, and as it goes to them: the same for all doors."""

from __future__ import annotations

import json
from typing import Any

from dasf_broker.exceptions import BadInputError


def read_json(text: str | bytes) -> Any:
    """Return what a client wrote as JSON.

    Raises
    ------
    BadInputError
        It is not JSON, or nested too deeply.
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise BadInputError("This is not JSON, or it is nested too deeply.") from None


def write_json(value: Any) -> str:
    """Return a value as JSON; ASCII only, so that half a surrogate pair breaks no frame."""
    return _encoder.encode(value)


_encoder = json.JSONEncoder(separators=(",", ":"))
