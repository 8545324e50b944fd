"""Durable publishes over HTTP against servers on Node.js with better-sqlite3.

They write as durably as we do, check no rights and keep nothing but the message.
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from benchmarks.harness.bench import Bench
from benchmarks.harness.report import Figure, Report, pairwise
from benchmarks.ours.publish import candidate
from benchmarks.peers.node_fanout import NAMES
from benchmarks.peers.preparation import node_folder, peer

PUBLISH = """
mutation Publish($topic: String!, $id: String!, $data: JSON!) {
  publishMessage(topic: $topic, id: $id, data: $data) { status message { messageId cursor } }
}
"""
BUDGETS = {"yoga": 1.8, "mercurius": None}


def run(bench: Bench) -> Report:
    """Compare with each of them."""
    folder = node_folder()
    with ExitStack() as stack:
        site, keys = stack.enter_context(bench.site())
        candidates = {"dasf_broker": candidate(bench, stack.enter_context(site.server()), **keys)}
        for script in BUDGETS:
            database = bench.new_folder(script) / "db.sqlite3"
            command: list[str | Path] = ["node", f"{script}.mjs", "PORT", database]
            started = stack.enter_context(peer(command, folder))
            candidates[f"{NAMES[script]} + better-sqlite3"] = candidate(
                bench, started, publish=PUBLISH, post_path="/graphql"
            )
        results = bench.in_turns(candidates)
    made = Report("Durable publishes over HTTP, 32 in flight, against Node.js + better-sqlite3")
    rates = {}
    for name, runs in results.items():
        rates[name] = Figure(name, "publishes/s", [each["rate"] for each in runs])
        cost = [each["server_seconds"] / each["published"] * 1e6 for each in runs]
        made.figures += [
            rates[name],
            Figure(f"{name}: p50", "ms", [each["p50"] for each in runs]),
            Figure(f"{name}: p99", "ms", [each["p99"] for each in runs]),
            Figure(f"{name}: processor of the server", "us/publish", cost),
        ]
    for script, budget in BUDGETS.items():
        name = f"{NAMES[script]} + better-sqlite3"
        ratio = pairwise(
            f"publishes against {name}", rates["dasf_broker"], rates[name], budget=budget
        )
        made.ratios.append(ratio)
    return made
