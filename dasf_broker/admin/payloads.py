"""How the admin shows the payload of a message: decoded, and only its beginning if it is long."""

from __future__ import annotations

import base64
import json
from typing import Any

from dasf_broker.domain.envelope import decode_data, decode_text

#: Bytes of a payload that are shown; the rest is in the download.
SHOWN = 10 * 1024


def shown(payload: str) -> tuple[str, bool]:
    """Return the payload as JSON, as text, or as base64, and whether something was cut off."""
    data, text = decode_data(payload), decode_text(payload)
    if data is not None:
        text = pretty(data) or text
    return cut(payload if text is None else text)


def pretty(data: Any) -> str | None:
    """Return JSON with line breaks, or nothing if it is nested too deeply for that."""
    try:
        return json.dumps(data, indent=2, ensure_ascii=False)
    except RecursionError:
        return None


def cut(text: str) -> tuple[str, bool]:
    """Return the shown part of the text, and whether something was cut off."""
    # JSON may spell half a surrogate pair, which no page can hold: shown as it was spelled.
    body = text.encode("utf-8", "backslashreplace")
    return body[:SHOWN].decode("utf-8", "ignore"), len(body) > SHOWN


def download(payload: str) -> tuple[bytes, str]:
    """Return the whole payload as bytes, and the file name extension that fits it."""
    try:
        body = base64.b64decode(payload, validate=True)
    except ValueError:  # a fragment: cut anywhere, it can only be decoded with the others
        return payload.encode(), "b64"
    if decode_data(payload) is not None:
        return body, "json"
    return body, "bin" if decode_text(payload) is None else "txt"
