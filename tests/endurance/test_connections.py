"""Promise 12: clients who come and go, however rudely, leave nothing behind."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.servers import ROOT, Server, Site, site
from tests.endurance.conftest import enduring, is_back_at, until, vitals_of
from tests.endurance.wanderers import WAYS

#: `make test-slow` has 10,000 of them.
VISITS = 1000
AT_ONCE = 50
TOPICS = [f"topic-{number}" for number in range(8)]
MEGABYTE = 1024 * 1024

#: One message for everybody on every topic, which nobody acknowledges.
_FILL = """
import django; django.setup()
from django.contrib.auth.models import User
from dasf_broker.models import BrokerTopic
for topic in BrokerTopic.objects.all():
    topic.create_and_send_message(User.objects.get(username="producer"), {"payload": ""})
"""

Running = tuple[Server, str]


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    """Return a server with topics that have a message each, and the key of a consumer."""
    with site(tmp_path) as made, enduring(made) as server:
        yield server, _prepare(made)


async def test_nothing_is_left_behind(running: Running) -> None:
    """Tasks, descriptors, threads, groups and memory stay."""
    await check_that_nothing_is_left(running, visits=VISITS)


async def check_that_nothing_is_left(running: Running, *, visits: int) -> None:
    """Compare a server after twice so many visits with itself."""
    server, key = running
    wander(server, key, seed=0, count=visits // 10, at_once=2 * AT_ONCE)
    base = await until(server, lambda vitals: not vitals["topics"] and not vitals["sockets"])
    memory = []
    for seed in (1, 2):
        gone = wander(server, key, seed=seed, count=visits, at_once=AT_ONCE)
        assert set(gone) == {way.__name__ for way in WAYS}, gone
        assert gone.total() == visits
        await until(server, lambda vitals: is_back_at(vitals, base))
        memory.append(vitals_of(server, collected=True)["memory"])
    assert memory[1] - memory[0] < 20 * MEGABYTE


def wander(server: Server, key: str, *, seed: int, count: int, at_once: int) -> Counter[str]:
    """Let clients come and go, from a process of their own; return how they went."""
    wanted: dict[str, Any] = {"port": server.port, "key": key, "topics": TOPICS}
    wanted |= {"seed": seed, "count": count, "at_once": at_once}
    done = subprocess.run(
        [sys.executable, "-m", "tests.endurance.wanderers"],
        cwd=ROOT,
        input=json.dumps(wanted),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return Counter(json.loads(done.stdout))


def _prepare(made: Site) -> str:
    keys = made.prepare(
        {slug: {"store_messages": "store"} for slug in TOPICS},
        {"producer": ["can_produce"], "consumer": ["can_consume"]},
    )
    made.run("-c", _FILL)
    return keys["consumer"]
