"""Two server processes over PostgreSQL and Redis against one: fan-out, and latency."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from benchmarks.harness.bench import PEOPLE, TOPIC, Bench
from benchmarks.harness.report import Figure, Report, pairwise
from benchmarks.load.messages import PUBLISH
from benchmarks.ours import fanout, latency
from tests import services
from tests.acceptance.servers import site_on


def run(bench: Bench) -> Report:
    """Compare both on services with their own defaults: PostgreSQL writes durably."""
    with ExitStack() as stack:
        database = stack.enter_context(services.breakable_postgres())
        redis = stack.enter_context(services.breakable_redis())
        folder = bench.new_folder("processes")
        site = stack.enter_context(site_on(folder, database.url, redis.url))
        keys = site.prepare({TOPIC: {}}, PEOPLE)
        one, other = (stack.enter_context(site.server()) for _ in range(2))
        both: dict[str, Any] = {
            "ports": [one.port, other.port],
            "pids": [one.process.pid, other.process.pid],
        }
        fanouts = bench.in_turns(
            {
                "two": fanout.candidate(bench, one, publish=PUBLISH, **both, **keys),
                "one": fanout.candidate(bench, one, publish=PUBLISH, **keys),
            }
        )
        latencies = bench.in_turns(
            {
                "two": latency.candidate(bench, one, **both, **keys),
                "one": latency.candidate(bench, one, **keys),
            }
        )
    rates = {
        name: Figure(f"{name}: fan-out", "deliveries/s", [each["rate"] for each in runs])
        for name, runs in fanouts.items()
    }
    times = {
        name: Figure(f"{name}: latency p50", "ms", [each["p50"] for each in runs])
        for name, runs in latencies.items()
    }
    return Report(
        "Two processes over PostgreSQL and Redis against one",
        [*rates.values(), *latency.figures(latencies)],
        [
            pairwise("fan-out of two processes against one", rates["two"], rates["one"]),
            pairwise(
                "latency of two processes against one", times["two"], times["one"], is_cost=True
            ),
        ],
    )
