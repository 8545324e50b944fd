"""Closing sockets: each code is documented, and who is thrown out leaves nothing behind."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dasf_broker.transports import closing
from dasf_broker.transports.closing import Close

DOCS = Path(__file__).parent.parent.parent / "docs"


def test_documentation() -> None:
    """One table in the documentation has them as the code has them."""
    text = (DOCS / "security.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\d{4})` \| (.+) \| (yes|no) \|$", text, re.MULTILINE)
    assert rows == [
        (str(close.code), close.meaning, "yes" if close.retry else "no") for close in Close
    ]


def test_codes_are_different() -> None:
    """Each reason has one of its own, in order."""
    codes = [close.code for close in Close]
    assert codes == sorted(set(codes))


def test_who_sends_too_much_does_not_keep_us_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    """What they left behind is freed, but not as often as they like."""
    searches: list[None] = []
    monkeypatch.setattr("gc.collect", lambda: searches.append(None))
    monkeypatch.setattr(closing, "_searched_at", float("-inf"))
    for code in (1000, Close.TOO_BIG.code, Close.TOO_BIG.code):
        closing.note_disconnect({"type": "websocket.disconnect", "code": code})
    assert len(searches) == 1
