"""What `make audit` makes of the reports of the auditors."""

from __future__ import annotations

from typing import Any

import pytest

from tools import audit

CLEAN = {"name": "a", "version": "1", "vulns": []}
WEAK = {"name": "b", "version": "2", "vulns": [{"id": "X-1"}, {"id": "X-2"}]}
SKIPPED = {"name": "c", "skip_reason": "not found"}


@pytest.mark.parametrize(
    ("report", "expected"),
    [
        ({"dependencies": [CLEAN, SKIPPED]}, []),
        ({"dependencies": [CLEAN, WEAK]}, ["b 2 (X-1)", "b 2 (X-2)"]),
        ({"dependencies": [SKIPPED]}, None),
        ({}, None),
        (None, None),
    ],
)
def test_python(report: Any, expected: list[str] | None) -> None:
    """Weaknesses are listed; a service that knows no package was not asked."""
    assert audit.python_weaknesses(report) == expected


@pytest.mark.parametrize(
    ("report", "expected"),
    [
        ({"vulnerabilities": {}}, []),
        ({"vulnerabilities": {"x": {"severity": "high"}}}, ["x (high)"]),
        ({"message": "no such address", "error": {}}, None),
        (None, None),
    ],
)
def test_node(report: Any, expected: list[str] | None) -> None:
    """Weaknesses are listed; an error is no report."""
    assert audit.node_weaknesses(report) == expected


def test_failure(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Only what is known to be weak fails the command; each place is named."""
    found = [("one", []), ("two", None), ("three", ["b 2 (X-1)"])]
    monkeypatch.setattr(audit, "audits", lambda: iter(found))
    assert audit.main() == 1
    one, two, three = capsys.readouterr().out.splitlines()
    assert one == "one: nothing known"
    assert two.startswith("WARNING: two was not audited")
    assert three == "three: b 2 (X-1)"
