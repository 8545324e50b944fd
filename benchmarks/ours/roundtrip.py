"""Publish, deliver and acknowledge with one consumer; and acknowledgements by themselves."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import Any

from benchmarks.harness.bench import TOPIC, Bench
from benchmarks.harness.checks import check_stored
from benchmarks.harness.generate import generate
from benchmarks.harness.report import Figure, Ratio, Report, pairwise
from benchmarks.ours import publish
from tests.acceptance.servers import Server

Runs = dict[str, list[dict[str, float]]]

TRIPS = "round trips, 32 in flight"
SINGLE = "round trips, one at a time"
ONE_BY_ONE = "acknowledgeMessage, 32 in flight"
BATCHES = "acknowledgeMessages, 100 each"
PUBLISHES = "publishMessage, 32 in flight"


def run(bench: Bench) -> Report:
    """Compare with publishing alone."""
    with ExitStack() as stack:
        site, keys = stack.enter_context(bench.site())
        server = stack.enter_context(site.server())
        results = bench.in_turns(
            {
                TRIPS: _trips(bench, server, in_flight=32, **keys),
                SINGLE: _trips(bench, server, in_flight=1, **keys),
                ONE_BY_ONE: _acknowledgements(bench, server, one_by_one=True, **keys),
                BATCHES: _acknowledgements(bench, server, one_by_one=False, **keys),
                PUBLISHES: publish.candidate(bench, server, **keys),
            }
        )
        server.stop()
        # All the rest was acknowledged, and is gone.
        check_stored(site, sum(int(each["answered"]) for each in results[PUBLISHES]))
    return _report(results)


def _trips(bench: Bench, server: Server, **task: Any) -> Callable[[], dict[str, float]]:
    times = {"seconds": bench.seconds, "warm_up": bench.seconds / 4, "settle": 1.0}
    return partial(generate, "roundtrip", server, topic=TOPIC, **times, **task)


def _acknowledgements(bench: Bench, server: Server, **task: Any) -> Callable[[], dict[str, float]]:
    in_flight = 32 if task["one_by_one"] else 4
    size = {"batch": 100, "batches": bench.size(50, 4), "in_flight": in_flight}
    return partial(generate, "acknowledge", server, topic=TOPIC, **size, **task)


def _report(results: Runs) -> Report:
    made = Report("Publish, deliver, acknowledge: one consumer, SQLite synchronous=FULL")
    rates = {}
    for name, runs in results.items():
        rates[name] = Figure(name, "a second", [each["rate"] for each in runs])
        made.figures.append(rates[name])
        if "p50" in runs[0]:
            for quantile in ("p50", "p99"):
                values = [each[quantile] for each in runs]
                made.figures.append(Figure(f"{name}: {quantile}", "ms", values))
    batches = results[BATCHES]
    made.ratios = [
        pairwise("round trips against publishes", rates[TRIPS], rates[PUBLISHES]),
        pairwise(
            "acknowledgements one by one against publishes", rates[ONE_BY_ONE], rates[PUBLISHES]
        ),
        Ratio(
            "batches: acknowledgements against publishes",
            [each["rate"] / each["published_rate"] for each in batches],
        ),
    ]
    return made
