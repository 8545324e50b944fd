"""Run benchmarks: ``python -m benchmarks [--peers] [--runs 5] [--seconds 4] [name ...]``."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import resource
import sys
import tempfile
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import baseline
from benchmarks.harness.bench import Bench
from benchmarks.harness.facts import machine_facts

#: The broker against yardsticks; modules of :mod:`benchmarks.ours`.
OURS = (
    "fanout",
    "publish",
    "batches",
    "growth",
    "memory",
    "roundtrip",
    "latency",
    "processes",
)
#: The broker against other servers; modules of :mod:`benchmarks.peers`.
PEERS = ("node_fanout", "node_publish", "reference")
RESULTS = Path(__file__).parent / "results"


def main() -> None:
    """Run what was asked for; print it, and write it as JSON."""
    given = _arguments()
    for name in ("DATABASE_URL", "REDIS_URL", "DJANGO_SETTINGS_MODULE"):
        os.environ.pop(name, None)  # never the developer's own
    _allow_many_sockets()
    facts = machine_facts()
    _print(f"{name}: {value}" for name, value in facts.items())
    with tempfile.TemporaryDirectory(prefix="dasf-bench-") as folder:
        bench = Bench(Path(folder), given.runs, given.seconds, given.quick)
        measure = partial(_measure, given.group, bench)
        results = {"facts": facts, "benchmarks": measure(given.names)}
        _write(given, results)
        if given.write_baseline:
            baseline.write_baseline(results)
        if given.check:
            _check(results, measure)


def _measure(group: str, bench: Bench, names: Iterable[str]) -> dict[str, Any]:
    found = {}
    for name in names:
        report = importlib.import_module(f"benchmarks.{group}.{name}").run(bench)
        _print(report.lines())
        found[name] = report.as_json()
    return found


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", help=f"of: {', '.join(OURS)}; {', '.join(PEERS)}")
    parser.add_argument("--runs", type=int, default=5, help="turns of each candidate")
    parser.add_argument("--seconds", type=float, default=4.0, help="of one turn")
    parser.add_argument("--quick", action="store_true", help="one short turn, to try the code")
    parser.add_argument("--peers", action="store_true", help="measure against other servers")
    parser.add_argument("--output", type=Path, help="the file of results")
    parser.add_argument("--check", action="store_true", help="compare with the baseline")
    parser.add_argument("--write-baseline", action="store_true", help="make this the baseline")
    given = parser.parse_args()
    given.group, known = ("peers", PEERS) if given.peers else ("ours", OURS)
    given.names = given.names or known
    if unknown := set(given.names) - set(known):
        parser.error(f"there is no benchmark {', '.join(unknown)}")
    if given.quick:
        given.runs, given.seconds = 1, 0.4
    return given


def _allow_many_sockets() -> None:
    # For this process and all that it starts.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _check(
    results: dict[str, Any], measure: Callable[[Iterable[str]], dict[str, dict[str, Any]]]
) -> None:
    worse = _compare(results)
    if worse:
        _print(["", "What is worse is measured once more: a machine has its moods."])
        names = sorted({each.partition(":")[0] for each in worse})
        worse &= _compare({"benchmarks": measure(names)})
    if worse:
        raise SystemExit(f"{len(worse)} ratios are more than {baseline.TOLERANCE:.0%} worse.")


def _compare(results: dict[str, Any]) -> set[str]:
    comparisons = list(baseline.compare(results, baseline.read_baseline()))
    _print(["", "== against the baseline", *(each.line() for each in comparisons)])
    return {each.name for each in comparisons if each.is_worse}


def _write(given: argparse.Namespace, results: dict[str, Any]) -> None:
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H-%M-%S")
    path = given.output or RESULTS / f"{given.group}-{now}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(results, indent=2) + "\n")
    _print([f"written to {path}"])


def _print(lines: Any) -> None:
    for line in lines:
        sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
