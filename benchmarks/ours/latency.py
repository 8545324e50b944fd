"""Latency of deliveries at a fixed rate that all subscribers can keep up with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from benchmarks.harness.bench import TOPIC, Bench
from benchmarks.harness.generate import generate
from benchmarks.harness.report import Figure, Report, pairwise
from benchmarks.load.messages import FOLLOW
from tests.acceptance.servers import Server

#: Messages in a second, and the number of subscribers.
RATE, SUBSCRIBERS = 200, 50


def run(bench: Bench) -> Report:
    """Compare with a tenth of the rate: what the load adds."""
    with bench.site() as (site, keys), site.server() as server:
        rates = {f"{rate} messages/s": rate for rate in (RATE, RATE // 10)}
        results = bench.in_turns(
            {name: candidate(bench, server, rate=rate, **keys) for name, rate in rates.items()}
        )
    made = Report(f"Latency from due to delivered, {SUBSCRIBERS} subscribers, SQLite")
    made.figures = figures(results)
    half, slow = (
        next(each for each in made.figures if each.name == f"{name}: p50") for name in rates
    )
    made.ratios = [pairwise("latency p50 under load against nearly none", half, slow, is_cost=True)]
    return made


def candidate(bench: Bench, server: Server, **task: Any) -> Callable[[], dict[str, float]]:
    """Return what lets a server have its turn."""
    given = {
        "topic": TOPIC,
        "subscribe": FOLLOW,
        "subscribers": bench.size(SUBSCRIBERS, 5),
        "rate": RATE,
        "seconds": bench.seconds,
        "settle": 1.0,
    }
    return partial(generate, "latency", server, **{**given, **task})


def figures(results: Mapping[str, list[dict[str, float]]]) -> list[Figure]:
    """Return the quantiles of all candidates."""
    return [
        Figure(f"{name}: {quantile}", "ms", [each[quantile] for each in runs])
        for name, runs in results.items()
        for quantile in ("p50", "p99")
    ]
