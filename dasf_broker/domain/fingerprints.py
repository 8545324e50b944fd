"""Fingerprints: short texts that are the same for two envelopes with the same content.

A fingerprint is kept when the message itself is removed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from hashlib import sha256
from typing import Any

#: Characters of a fingerprint.
LENGTH = 64

_SORTED = json.JSONEncoder(sort_keys=True)

#: Below it, the bits of an integral number are its decimal digits.
_EXACT = 2**53

#: Types that JSON has only one form for.
_PLAIN = {str, int, bool, type(None)}


def fingerprint(content: Mapping[str, Any]) -> str:
    """Return the fingerprint of an envelope in its wire form.

    It is taken of what is written, in one order and with each number in one form: PostgreSQL
    gives 3.9e16 back as 39000000000000000, and that is the same message.
    """
    if not _is_plain(dict(content)):
        content = json.loads(json.dumps(content), parse_float=_number)
    return sha256(_SORTED.encode(content).encode()).hexdigest()


def _is_plain(value: Any) -> bool:
    """Tell whether a value is the same after it was written and read."""
    kind = type(value)
    if kind is dict:
        return all(type(key) is str and _is_plain(each) for key, each in value.items())
    if kind is list:
        return all(map(_is_plain, value))
    return kind in _PLAIN


def _number(text: str) -> int | float:
    number = float(text)
    if not number.is_integer():
        return number
    if abs(number) < _EXACT:
        return int(number)
    # By its decimal digits, not its bits: 1e23 as a number of bits is not quite 10**23.
    return int(Decimal(text))
