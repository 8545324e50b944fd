"""Benchmarks so short that they say nothing about time, only whether they work."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.acceptance.servers import ROOT


def run(folder: Path, *names: str) -> dict[str, Any]:
    """Run benchmarks, compare them with the baseline, and return their results."""
    file = folder / "results.json"
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--quick", "--check", "--output", file, *names],
        cwd=ROOT,
        env=dict(os.environ),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    # Only the baseline may be missed.
    assert done.returncode == 0 or "worse." in done.stderr, done.stderr
    results: dict[str, Any] = json.loads(file.read_text())
    return results


def check(found: dict[str, Any]) -> None:
    """Check that what came of a benchmark has figures and ratios."""
    assert found["title"]
    assert all(ratio["median"] > 0 and len(ratio["runs"]) == 1 for ratio in found["ratios"])
    assert all(figure["unit"] and len(figure["runs"]) == 1 for figure in found["figures"])
    assert len(found["ratios"]) >= 1
    assert len(found["figures"]) >= 2
