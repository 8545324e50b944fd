"""Compare with dasf-broker-django over the DASF protocol, which both brokers speak.

Same client, same server, same flags, same database settings.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from benchmarks.harness.bench import UVICORNS_OWN, Bench
from benchmarks.harness.checks import check_stored
from benchmarks.harness.generate import generate
from benchmarks.harness.report import Figure, Report, pairwise
from benchmarks.peers.preparation import peer, reference_folder
from tests.acceptance.servers import AS_IN_README, Server

OURS, THEIRS = "dasf_broker", "dasf-broker-django"
PUBLISHES, TRIPS = "publishes", "round trips"

#: What is published without a consumer must not be in the way of one.
TOPICS = {PUBLISHES: "publishes", TRIPS: "trips"}

#: Seconds for acknowledgements that were sent to be done.
PATIENCE = 30.0

Runs = dict[str, list[dict[str, float]]]


def run(bench: Bench) -> Report:
    """Compare publishes, then round trips; check both databases afterwards."""
    with ExitStack() as stack:
        site, keys = stack.enter_context(bench.site("site", *TOPICS.values()))
        ours = stack.enter_context(site.server())
        theirs, their_keys, count = stack.enter_context(_reference(bench))
        candidates = {}
        for kind in (TRIPS, PUBLISHES):
            candidates[f"{OURS}: {kind}"] = _candidate(bench, ours, kind, keys)
            candidates[f"{THEIRS}: {kind}"] = _candidate(bench, theirs, kind, their_keys)
        results = bench.in_turns(candidates)
        _wait_until(partial(_is_stored, count, results[f"{THEIRS}: {PUBLISHES}"]))
        ours.stop()
        check_stored(site, _ended(results[f"{OURS}: {PUBLISHES}"]))
    return _report(results)


def _candidate(
    bench: Bench, server: Server, kind: str, keys: dict[str, str]
) -> Callable[[], dict[str, float]]:
    task = {
        "topic": TOPICS[kind],
        "acknowledges": kind == TRIPS,
        "sockets": 4,
        "in_flight": 32,
        "seconds": bench.seconds,
        "warm_up": bench.seconds / 4,
        "settle": 1.0,
    }
    return partial(generate, "dasf", server, **task, **keys)


@contextmanager
def _reference(bench: Bench) -> Iterator[tuple[Server, dict[str, str], Callable[[], int]]]:
    folder = reference_folder()
    python = folder / ".venv" / "bin" / "python"
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "site_settings",
        "REFERENCE_DATABASE": str(bench.new_folder("reference") / "db.sqlite3"),
    }

    def printed(*script: str) -> str:
        command: list[str | Path] = [python, *script]
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RuntimeError(done.stderr)
        return done.stdout

    keys: dict[str, str] = json.loads(printed("prepare.py", *TOPICS.values()))
    flags = ["--port", "PORT", "--log-level", "warning", *AS_IN_README]
    flags += [*UVICORNS_OWN, "--lifespan", "off"]
    command: list[str | Path] = [python, "-m", "uvicorn", "site_asgi:application", *flags]
    with peer(command, folder, environment) as server:
        yield server, keys, lambda: int(printed("count.py"))


def _ended(runs: list[dict[str, float]]) -> int:
    return sum(int(each["ended"]) for each in runs)


def _is_stored(count: Callable[[], int], runs: list[dict[str, float]]) -> bool:
    return count() == _ended(runs)


def _wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError("Published messages are missing, or acknowledged ones are there.")
        time.sleep(0.1)


def _report(results: Runs) -> Report:
    made = Report("The DASF protocol, 32 messages in flight, SQLite synchronous=FULL")
    rates = {}
    for name, runs in results.items():
        rates[name] = Figure(name, "a second", [each["rate"] for each in runs])
        made.figures += [
            rates[name],
            Figure(f"{name}: p50", "ms", [each["p50"] for each in runs]),
            Figure(f"{name}: p99", "ms", [each["p99"] for each in runs]),
        ]
    for kind in (PUBLISHES, TRIPS):
        ours, theirs = rates[f"{OURS}: {kind}"], rates[f"{THEIRS}: {kind}"]
        made.ratios.append(pairwise(f"{kind} against {THEIRS}", ours, theirs, budget=15))
    return made
