"""Fingerprints: whether two envelopes say the same, known from a short text of each.

A fingerprint is kept when the message itself is long gone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from hashlib import sha256
from typing import Any

#: Characters of a fingerprint.
LENGTH = 64


def fingerprint(content: Mapping[str, Any]) -> str:
    """Return the fingerprint of an envelope in its wire form.

    It is taken of what is written, in one order and with each number in one form: PostgreSQL
    gives 3.9e16 back as 39000000000000000, and that is the same message.
    """
    written = json.loads(json.dumps(content), parse_float=_number)
    return sha256(json.dumps(written, sort_keys=True).encode()).hexdigest()


def _number(text: str) -> int | float:
    number = float(text)
    # By its decimal digits, not its bits: 1e23 as a number of bits is not quite 10**23.
    return int(Decimal(text)) if number.is_integer() else number
