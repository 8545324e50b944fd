"""Fan-out against the GraphQL servers of Node.js: one process each, nothing stored by them."""

from __future__ import annotations

from contextlib import ExitStack

from benchmarks.harness.bench import Bench
from benchmarks.harness.report import Figure, Report, pairwise
from benchmarks.load.messages import PUBLISH
from benchmarks.ours.fanout import STOCK_FOLLOW, STOCK_PUBLISH, Run, candidate
from benchmarks.peers.preparation import node_folder, peer

#: The servers, and how many times as fast we want to be.
BUDGETS = {"yoga": 3.5, "ws": 2.5, "mercurius": 2.0}
NAMES = {"yoga": "graphql-yoga", "ws": "graphql-ws", "mercurius": "mercurius"}


def run(bench: Bench) -> Report:
    """Compare with each of them."""
    folder = node_folder()
    with ExitStack() as stack:
        site, keys = stack.enter_context(bench.site())
        server = stack.enter_context(site.server())
        candidates: dict[str, Run] = {
            "dasf_broker": candidate(bench, server, publish=PUBLISH, **keys)
        }
        for script, name in NAMES.items():
            started = stack.enter_context(peer(["node", f"{script}.mjs", "PORT"], folder))
            candidates[name] = candidate(
                bench,
                started,
                publish=STOCK_PUBLISH,
                subscribe=STOCK_FOLLOW,
                socket_path="/graphql",
                post_path="/graphql",
            )
        results = bench.in_turns(candidates)
    rates = {
        name: Figure(name, "deliveries/s", [each["rate"] for each in runs])
        for name, runs in results.items()
    }
    costs = [
        Figure(
            f"{name}: processor of the server",
            "us/delivery",
            [each["server_seconds"] / each["deliveries"] * 1e6 for each in runs],
        )
        for name, runs in results.items()
    ]
    ratios = [
        pairwise(
            f"deliveries against {NAMES[script]}",
            rates["dasf_broker"],
            rates[NAMES[script]],
            budget=budget,
        )
        for script, budget in BUDGETS.items()
    ]
    title = f"Fan-out to {bench.size(500, 20)} subscribers against servers on Node.js"
    return Report(title, [*rates.values(), *costs], ratios)
