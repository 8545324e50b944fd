"""Half a minute of what goes wrong most often. ``make test-slow`` has several minutes of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.load import Load
from tests.chaos.trial import Plan, hold_on

#: What breaks on each backend, in this order.
KINDS = {
    "sqlite": ("kill server", "stop client", "drop announcements", "move clock", "stop server"),
    "postgres": (
        "kill server",
        "kill database",
        "kill redis",
        "double announcements",
        "kill client",
    ),
}

#: All of it takes about 25; a busy machine has some more.
SECONDS = 60.0

#: Consumers that come back often have to find out often what they missed.
LOAD = Load(stay=(2.0, 5.0), read=(2.0, 5.0))


def test_nothing_is_lost(pytestconfig: pytest.Config, tmp_path: Path) -> None:
    """Under kills, outages, stops, jumping clocks and a bad channel layer all promises hold."""
    backend = pytestconfig.getoption("backend")
    servers = 1 if backend == "sqlite" else 2
    plan = Plan(seconds=SECONDS, servers=servers, kinds=KINDS[backend], load=LOAD)
    hold_on(backend, plan, tmp_path)
