"""Batches of 100 through ``publishMessages``, against Django's own ``bulk_create``."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import Any

from benchmarks.harness.bench import TOPIC, Bench
from benchmarks.harness.checks import check_stored
from benchmarks.harness.generate import generate
from benchmarks.harness.report import Figure, Report, pairwise
from tests.acceptance.servers import Site

SIZE, IN_FLIGHT = 100, 4


def run(bench: Bench) -> Report:
    """Compare with the same rows written by Django alone, without a server or a check."""
    with ExitStack() as stack:
        site, keys = stack.enter_context(bench.site())
        yardstick, _ = stack.enter_context(bench.site("yardstick"))
        server = stack.enter_context(site.server())
        task: dict[str, Any] = {
            "topic": TOPIC,
            "batch": SIZE,
            "in_flight": IN_FLIGHT,
            "seconds": bench.seconds,
            "warm_up": bench.seconds / 4,
        }
        candidates: dict[str, Callable[[], dict[str, float]]] = {
            "publishMessages": partial(generate, "batches", server, **task, **keys),
            "bulk_create": _bulk_create(bench, yardstick),
        }
        results = bench.in_turns(candidates)
        server.stop()
        check_stored(site, sum(int(each["stored"]) for each in results["publishMessages"]))
    figures = [
        Figure(name, "messages/s", [each["rate"] for each in runs])
        for name, runs in results.items()
    ]
    ratio = pairwise("messages in batches against bulk_create", *figures, budget=0.5)
    return Report(f"Batches of {SIZE} over HTTP, SQLite synchronous=FULL", figures, [ratio])


def _bulk_create(bench: Bench, site: Site) -> Callable[[], dict[str, float]]:
    command = ["-m", "benchmarks.servers.bulk_create", TOPIC, str(bench.seconds), str(SIZE)]

    def measure() -> dict[str, float]:
        measured: dict[str, float] = json.loads(site.run(*command))
        return measured

    return measure
