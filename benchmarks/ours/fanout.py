"""Fan-out of one topic to many subscribers over ``graphql-transport-ws``, in one process."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import Any

from benchmarks.harness.bench import TOPIC, UVICORNS_OWN, Bench
from benchmarks.harness.generate import generate
from benchmarks.harness.report import Figure, Report, pairwise
from benchmarks.harness.trivial import trivial_server
from benchmarks.load.messages import FOLLOW, PUBLISH
from tests import services
from tests.acceptance.servers import Server

#: Messages under way at once, and connections that publish.
WINDOW, PUBLISHERS = 32, 32

_BARE_APPLICATION = "benchmarks.servers.bare:application"

STOCK_FOLLOW = "subscription { messages { messageId publishTime cursor data } }"
STOCK_PUBLISH = "mutation P($id: String!, $data: JSON!) { publish(id: $id, data: $data) }"

OURS, OURS_PLAIN = "dasf_broker", "dasf_broker without its websocket protocol"
BARE, BARE_JOINED = "bare ASGI broadcast", "bare ASGI broadcast with our protocol"
STOCK = "strawberry's own consumer"

#: The pairs of candidates to compare, each with the wanted ratio.
PAIRS = [
    (OURS, BARE, 0.6),
    (OURS_PLAIN, BARE, 0.6),
    (OURS, BARE_JOINED, None),
    (OURS, STOCK, 25),
]

Run = Callable[[], dict[str, float]]


def run(bench: Bench) -> Report:
    """Compare with a bare broadcast, with strawberry's own, and with what we can measure."""
    with ExitStack() as stack:
        site, keys = stack.enter_context(bench.site())
        redis = stack.enter_context(services.redis())
        start = stack.enter_context
        candidates = {
            OURS: candidate(bench, start(site.server()), publish=PUBLISH, **keys),
            OURS_PLAIN: candidate(
                bench, start(site.server(*UVICORNS_OWN)), publish=PUBLISH, **keys
            ),
            BARE: candidate(
                bench, start(site.server(*UVICORNS_OWN, application=_BARE_APPLICATION))
            ),
            BARE_JOINED: candidate(bench, start(site.server(application=_BARE_APPLICATION))),
            STOCK: candidate(
                bench,
                start(
                    site.server(
                        *UVICORNS_OWN,
                        application="benchmarks.servers.stock:application",
                        DJANGO_SETTINGS_MODULE="",
                        REDIS_URL=redis,
                    )
                ),
                publish=STOCK_PUBLISH,
                subscribe=STOCK_FOLLOW,
                # Of two at once it loses one now and then; one at a time keeps it as busy.
                window=1,
                publishers=1,
            ),
            "the generator alone": candidate(bench, start(trivial_server())),
        }
        return report(bench, bench.in_turns(candidates))


def candidate(bench: Bench, server: Server, **task: Any) -> Run:
    """Return what lets a server have its turn."""
    given = {
        "topic": TOPIC,
        "subscribe": FOLLOW,
        "subscribers": bench.size(500, 20),
        "seconds": bench.seconds,
        "warm_up": bench.seconds / 4,
        "window": WINDOW,
        "publishers": PUBLISHERS,
    }
    return partial(generate, "fanout", server, **{**given, **task})


def report(bench: Bench, results: dict[str, list[dict[str, float]]]) -> Report:
    """Return figures and ratios."""
    made = Report(f"Fan-out to {bench.size(500, 20)} subscribers, one process")
    rates, costs = {}, {}
    for name, runs in results.items():
        rates[name] = Figure(name, "deliveries/s", [each["rate"] for each in runs])
        costs[name] = Figure(
            f"{name}: processor of the server",
            "us/delivery",
            [each["server_seconds"] / each["deliveries"] * 1e6 for each in runs],
        )
        busy = Figure(f"{name}: generator busy", "of 1", [each["busy"] for each in runs])
        made.figures += [rates[name], costs[name], busy]
    for ours, theirs, budget in PAIRS:
        name = f"{_of(ours)}deliveries against {theirs}"
        made.ratios.append(pairwise(name, rates[ours], rates[theirs], budget=budget))
    for ours, theirs, _ in PAIRS:
        name = f"{_of(ours)}processor of a delivery against {theirs}"
        made.ratios.append(pairwise(name, costs[ours], costs[theirs], is_cost=True))
    return made


def _of(name: str) -> str:
    return "" if name == OURS else f"{name}: "
