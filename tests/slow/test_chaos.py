"""A few minutes of everything that can go wrong. ``make chaos`` has half an hour of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from testproject import environment
from tests.chaos.trial import Plan, hold_on

#: Of faults. What comes before and after takes another half a minute.
SECONDS = 150.0

#: ``DASF_CHAOS_SEED`` tries another one.
SEED = environment.number("DASF_CHAOS_SEED", 1)


@pytest.mark.timeout(500)
def test_nothing_is_lost(pytestconfig: pytest.Config, tmp_path: Path) -> None:
    """Under kills, outages, stops, jumping clocks and a bad channel layer all promises hold."""
    backend = pytestconfig.getoption("backend")
    plan = Plan(seconds=SECONDS, seed=SEED, servers=1 if backend == "sqlite" else 2)
    hold_on(backend, plan, tmp_path)
