"""All attacks of strangers at once: nobody well-behaved notices."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.attack.trial import hold

SECONDS = 180


@pytest.mark.timeout(400)
def test_strangers(tmp_path: Path) -> None:
    """No error, deliveries in time, and bounded memory, for three minutes."""
    report = hold(tmp_path, SECONDS, print)
    assert not report.violations(), "\n".join([report.table(), *report.violations()])
