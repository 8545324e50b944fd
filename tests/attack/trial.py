"""One trial: a server with default settings, its well-behaved clients, and all strangers."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.acceptance.servers import ROOT, Server, site_on
from tests.attack.bystanders import Experience, bystanders, percentile
from tests.endurance.memory import resident_memory

MEGABYTE = 1024 * 1024

#: What is promised.
DELIVERY = 1.0
MEMORY = 150 * MEGABYTE

#: What may be left of it afterwards: caches of documents and of the database, which are bounded.
LEFT = 75 * MEGABYTE

#: Seconds to let connections of strangers end, after which the memory is looked at.
REST = 40.0

_SEED = """
import django
django.setup()
from guardian.utils import get_anonymous_user
from dasf_broker import publish_many
from dasf_broker.models import BrokerTopic
from dasf_broker.permissions import Right, grant
for slug in ("large", "many"):
    grant(get_anonymous_user(), BrokerTopic.objects.get(slug=slug), Right.CONSUME)
for _ in range(45):
    publish_many([{"topic": "large", "payload": "QUFB" * 225_000}])
publish_many([{"topic": "many", "data": {"number": number}} for number in range(500)])
"""


@dataclass(slots=True)
class Report:
    """What came of a trial."""

    seconds: float
    experience: Experience
    #: How often each attack began.
    attacks: dict[str, int] = field(default_factory=dict)
    #: Resident bytes of the server: before, at most, and some time afterwards.
    before: int = 0
    most: int = 0
    afterwards: int = 0
    log: str = ""

    def violations(self) -> list[str]:
        """Return what was promised and does not hold."""
        late = percentile(self.experience.deliveries, 99)
        checks = [
            (not self.experience.errors, f"errors: {self.experience.errors[:5]}"),
            (late < DELIVERY, f"deliveries take {late:.2f} s at the 99th percentile"),
            (self.most - self.before < MEMORY, f"memory: +{self._megabytes(self.most):.0f} MB"),
            (
                self.afterwards - self.before < LEFT,
                f"memory afterwards: +{self._megabytes(self.afterwards):.0f} MB",
            ),
            (all(self.attacks.values()), f"attacks that never began: {self.attacks}"),
            ("Traceback" not in self.log, f"the log has errors:\n{self.log[-3000:]}"),
        ]
        return [text for is_kept, text in checks if not is_kept]

    def table(self) -> str:
        """Return the figures as text."""
        rows = [
            ("", "count", "median ms", "p99 ms", "longest ms"),
            *(
                (name, len(values), *(f"{1000 * each:.1f}" for each in _spread(values)))
                for name, values in [
                    ("deliveries", self.experience.deliveries),
                    ("publishes", self.experience.publishes),
                    ("answers to { __typename }", self.experience.answers),
                ]
            ),
        ]
        lines = [" ".join(f"{cell!s:>26}" for cell in row) for row in rows]
        lines.append(f"errors of well-behaved clients: {len(self.experience.errors)}")
        lines.append(
            f"memory: {self.before / MEGABYTE:.0f} MB before, "
            f"+{self._megabytes(self.most):.0f} MB at most, "
            f"+{self._megabytes(self.afterwards):.0f} MB afterwards"
        )
        lines += [f"{name:>26} {count:6} times" for name, count in sorted(self.attacks.items())]
        return "\n".join(lines)

    def _megabytes(self, size: int) -> float:
        return (size - self.before) / MEGABYTE


def hold(folder: Path, seconds: float, say: Callable[[str], None], *names: str) -> Report:
    """Hold a trial.

    Parameters
    ----------
    folder
        An empty folder for the database and the log.
    seconds
        How long the strangers attack.
    say
        Told how it goes on.
    *names
        The attacks; all without it.
    """
    with site_on(folder, database=None, redis=None) as made:
        topics: dict[str, dict[str, Any]] = {
            "open": {"is_public": True, "store_messages": "store"},
            "dump": {"is_public": True, "store_messages": "store"},
            "large": {"store_messages": "store"},
            "many": {"store_messages": "store"},
        }
        keys = made.prepare(topics, {"good": ["can_consume", "can_produce"], "stranger": []})
        made.run("-c", _SEED)
        with made.server() as server:
            report = asyncio.run(_hold(server, keys, seconds, say, names))
        report.log = (made.folder / f"server-{server.port}.log").read_text()
    return report


async def _hold(
    server: Server,
    keys: dict[str, str],
    seconds: float,
    say: Callable[[str], None],
    names: tuple[str, ...],
) -> Report:
    async with bystanders(server, keys["good"]) as experience:
        report = Report(seconds, experience)
        await _until(lambda: len(experience.deliveries) > 500)
        report.before = resident_memory(server.process.pid)
        say(f"The clients work; the strangers attack for {seconds:.0f} s.")
        async with _strangers(server, keys["stranger"], report, names):
            for passed in range(int(seconds)):
                report.most = max(report.most, resident_memory(server.process.pid))
                if passed % 10 == 0:
                    late = percentile(experience.deliveries[-2000:], 99)
                    megabytes = (report.most - report.before) / MEGABYTE
                    errors = len(experience.errors)
                    say(f"p99 {1000 * late:.0f} ms, +{megabytes:.0f} MB, {errors} errors")
                await asyncio.sleep(1)
        say(f"The strangers have gone; in {REST:.0f} s the memory is looked at.")
        await _until(lambda: resident_memory(server.process.pid) - report.before < LEFT, REST)
        report.afterwards = resident_memory(server.process.pid)
    return report


async def _until(is_so: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait until something is so, or for so many seconds."""
    end = time.monotonic() + seconds
    while not is_so() and time.monotonic() < end:  # noqa: ASYNC110 - another process's memory
        await asyncio.sleep(0.25)


@asynccontextmanager
async def _strangers(
    server: Server, key: str, report: Report, names: tuple[str, ...]
) -> AsyncIterator[None]:
    command = [sys.executable, "-m", "tests.attack.strangers", str(server.port), key, *names]
    process = subprocess.Popen(  # noqa: ASYNC220 - it takes no time
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        yield
    finally:
        output, _ = await asyncio.to_thread(process.communicate, "")
        assert process.returncode == 0, output
        report.attacks = json.loads(output.splitlines()[-1])


def _spread(values: list[float]) -> tuple[float, float, float]:
    if not values:
        return (float("inf"),) * 3
    return percentile(values, 50), percentile(values, 99), max(values)
