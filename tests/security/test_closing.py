"""Closing sockets: each code is documented."""

from __future__ import annotations

import re
from pathlib import Path

from dasf_broker.transports.connection.close_codes import CloseCode

DOCS = Path(__file__).parent.parent.parent / "docs"


def test_documentation() -> None:
    """One table in the documentation has them as the code has them."""
    text = (DOCS / "security.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\d{4})` \| (.+) \| (yes|no) \|$", text, re.MULTILINE)
    assert rows == [
        (str(close.value), close.meaning, "yes" if close.retry else "no") for close in CloseCode
    ]


def test_codes_are_different() -> None:
    """Each reason has one of its own, in order."""
    codes = [close.value for close in CloseCode]
    assert codes == sorted(set(codes))
