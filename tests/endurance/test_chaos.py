"""A few minutes of everything that can go wrong. ``make chaos`` has half an hour of it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.chaos.trial import Plan, hold, own_ground

#: Of faults. What comes before and after takes another half a minute.
SECONDS = 150.0

#: ``DASF_CHAOS_SEED`` tries another one.
SEED = int(os.environ.get("DASF_CHAOS_SEED", "1"))


@pytest.mark.acceptance
@pytest.mark.timeout(500)
def test_nothing_is_lost(pytestconfig: pytest.Config, tmp_path: Path) -> None:
    """Under kills, outages, stops, jumping clocks and a bad channel layer all promises hold."""
    backend = pytestconfig.getoption("backend")
    plan = Plan(seconds=SECONDS, seed=SEED, servers=1 if backend == "sqlite" else 2)
    said = [f"seed {SEED}, history in {tmp_path}"]  # shown when it fails
    with own_ground(tmp_path, backend) as ground:
        verdict = hold(plan, ground, tmp_path, said.append)
    said.append(verdict.table())
    sys.stdout.write("\n".join(said))
    assert verdict.ok, "\n".join(verdict.violations)
    assert not verdict.vacuous
