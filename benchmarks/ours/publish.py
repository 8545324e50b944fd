"""Durable publishes, one message a request over HTTP, with several requests in flight.

The yardstick reads and answers the same requests and stores nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import Any

from benchmarks.harness.bench import TOPIC, Bench
from benchmarks.harness.checks import check_stored
from benchmarks.harness.generate import generate
from benchmarks.harness.report import Figure, Report, pairwise
from benchmarks.harness.trivial import trivial_server
from benchmarks.load.messages import PUBLISH
from tests.acceptance.servers import Server

IN_FLIGHT = 32


def run(bench: Bench) -> Report:
    """Compare with a server that stores nothing, and with what we can measure."""
    bare = "benchmarks.servers.bare:application"
    with ExitStack() as stack:
        site, keys = stack.enter_context(bench.site())
        ours = stack.enter_context(site.server())
        candidates = {
            "dasf_broker": candidate(bench, ours, **keys),
            "dasf_broker, one at a time": candidate(bench, ours, in_flight=1, **keys),
            "bare ASGI answers": candidate(
                bench, stack.enter_context(site.server(application=bare)), post_path="/answer"
            ),
            "the generator alone": candidate(bench, stack.enter_context(trivial_server())),
        }
        results = bench.in_turns(candidates)
        ours.stop()
        answered = [*results["dasf_broker"], *results["dasf_broker, one at a time"]]
        check_stored(site, sum(int(each["answered"]) for each in answered))
    return _report(results)


def candidate(bench: Bench, server: Server, **task: Any) -> Callable[[], dict[str, float]]:
    """Return what lets a server have its turn."""
    given = {
        "topic": TOPIC,
        "publish": PUBLISH,
        "in_flight": IN_FLIGHT,
        "seconds": bench.seconds,
        "warm_up": bench.seconds / 4,
    }
    return partial(generate, "publish", server, **{**given, **task})


def _report(results: dict[str, list[dict[str, float]]]) -> Report:
    made = Report(f"Durable publishes over HTTP, {IN_FLIGHT} in flight, SQLite synchronous=FULL")
    rates = {}
    for name, runs in results.items():
        rates[name] = Figure(name, "publishes/s", [each["rate"] for each in runs])
        cost = [each["server_seconds"] / each["published"] * 1e6 for each in runs]
        made.figures += [
            rates[name],
            Figure(f"{name}: p50", "ms", [each["p50"] for each in runs]),
            Figure(f"{name}: p99", "ms", [each["p99"] for each in runs]),
            Figure(f"{name}: processor of the server", "us/publish", cost),
            Figure(f"{name}: generator busy", "of 1", [each["busy"] for each in runs]),
        ]
    ours, single = rates["dasf_broker"], rates["dasf_broker, one at a time"]
    made.ratios = [
        pairwise("publishes against bare ASGI answers", ours, rates["bare ASGI answers"]),
        pairwise("publishes in flight against one at a time", ours, single),
    ]
    return made
