"""Memory of an idle subscription, and a storm of connections, each on a fresh server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks.harness.bench import TOPIC, Bench
from benchmarks.harness.generate import generate
from benchmarks.harness.report import Figure, Ratio, Report, pairwise
from benchmarks.load.messages import FOLLOW, PUBLISH
from tests.acceptance.servers import Site

#: Bytes that an idle subscription may take.
BUDGET = 40 * 1024


def run(bench: Bench) -> Report:
    """Compare with the bare broadcast's sockets."""
    bare = "benchmarks.servers.bare:application"
    sockets = bench.size(2000, 50)
    with bench.site() as (site, keys):
        results = bench.in_turns(
            {
                "dasf_broker": _candidate(bench, site, publish=PUBLISH, **keys),
                "bare ASGI sockets": _candidate(bench, site, application=bare),
            }
        )
    made = Report(f"{sockets} sockets, one subscription each")
    memory, seconds = {}, {}
    for name, runs in results.items():
        memory[name] = Figure(f"{name}: memory", "KiB/socket", _of(runs, "bytes", 1 / 1024))
        seconds[name] = Figure(f"{name}: all served after", "s", _of(runs, "seconds"))
        connected = Figure(f"{name}: all connected after", "s", _of(runs, "connected"))
        cost = [each["server_seconds"] / each["sockets"] * 1e6 for each in runs]
        processor = Figure(f"{name}: processor of the server", "us/socket", cost)
        made.figures += [memory[name], connected, seconds[name], processor]
    ours, theirs = seconds["dasf_broker"], seconds["bare ASGI sockets"]
    shares = [value / BUDGET for value in _of(results["dasf_broker"], "bytes")]
    made.ratios = [
        Ratio("memory of an idle subscription against 40 KiB", shares, 1.0, is_cost=True),
        pairwise("connect storm against bare ASGI sockets", ours, theirs, is_cost=True),
    ]
    return made


def _candidate(
    bench: Bench, site: Site, application: str = "testproject.asgi:application", **task: Any
) -> Callable[[], dict[str, float]]:
    given = {
        "topic": TOPIC,
        "subscribe": FOLLOW,
        "subscribers": bench.size(2000, 50),
        "warm_up_sockets": 20,
        "looks": 5,
        **task,
    }

    def measure() -> dict[str, float]:
        # A process does not return freed memory: each turn needs a new server.
        with site.server(application=application) as server:
            return generate("idle", server, **given)

    return measure


def _of(runs: list[dict[str, float]], name: str, factor: float = 1.0) -> list[float]:
    return [each[name] * factor for each in runs]
