"""Whether a publish costs more in a large database than in an empty one."""

from __future__ import annotations

import subprocess
import sys
from contextlib import ExitStack

from benchmarks.harness.bench import Bench
from benchmarks.harness.report import Figure, Report, pairwise
from benchmarks.ours import publish
from tests.acceptance.servers import ROOT, Server, Site

#: Messages, topics, and users with rights.
LARGE = (1_000_000, 100_000, 10_000)
QUICK = (1000, 100, 100)


def run(bench: Bench) -> Report:
    """Compare a large database with an empty one."""
    sizes = QUICK if bench.is_quick else LARGE
    with ExitStack() as stack:
        candidates = {}
        for name in ("large", "empty"):
            site, keys = stack.enter_context(bench.site(name))
            if name == "large":
                _grow(bench, site, keys, sizes)
            server: Server = stack.enter_context(site.server())
            candidates[name] = publish.candidate(bench, server, **keys)
        results = bench.in_turns(candidates)
    made = Report("Publishes with {:,} messages, {:,} topics, {:,} users".format(*sizes))
    times, costs = {}, {}
    for name, runs in results.items():
        seconds = [each["seconds"] / each["published"] * 1e6 for each in runs]
        cost = [each["server_seconds"] / each["published"] * 1e6 for each in runs]
        times[name] = Figure(f"{name}: 32 in flight", "us/publish", seconds)
        costs[name] = Figure(f"{name}: processor of the server", "us/publish", cost)
    made.figures = [*times.values(), *costs.values()]
    made.ratios = [
        pairwise(
            "publish in a large database against an empty one",
            times["large"],
            times["empty"],
            budget=1.3,
            is_cost=True,
        ),
        pairwise(
            "processor of a publish in a large database against an empty one",
            costs["large"],
            costs["empty"],
            is_cost=True,
        ),
    ]
    return made


def _grow(bench: Bench, site: Site, keys: dict[str, str], sizes: tuple[int, int, int]) -> None:
    # The rows are copies of a message that was published.
    with site.server() as server:
        publish.candidate(bench, server, in_flight=1, seconds=0.1, warm_up=0.0, **keys)()
    subprocess.run(
        [sys.executable, "-m", "benchmarks.servers.grown", *map(str, sizes)],
        cwd=ROOT,
        env=site.environment,
        check=True,
    )
