"""A trial: a deployment under load, faults, calm, and what the checker says to it."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests import services
from tests.acceptance.servers import site_on
from tests.chaos.breakage import faults_by_kind
from tests.chaos.harness.checker import Verdict, check
from tests.chaos.harness.clients import NoAnswerError, Server, execute_over_http, http_client
from tests.chaos.harness.history import SUFFIX, Drained, Recorder, read_histories
from tests.chaos.harness.nemesis import FaultsByKind, Nemesis, Step, in_order, schedule
from tests.chaos.load import Cast, Load
from tests.chaos.processes import ServerProcess, WorkerProcess
from tests.services import Breakable

OUTSTANDING = "query ($topic: String!) { topic(slug: $topic) { outstandingCount } }"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is tried."""

    #: Seconds of faults, or of calm load without them.
    seconds: float
    seed: int = 0
    servers: int = 1
    with_faults: bool = True
    #: The kinds of faults, which come once each; without them, those that the seed has.
    kinds: tuple[str, ...] = ()
    load: Load = field(default_factory=Load)
    #: Seconds without anything new after which the consumers have got everything.
    silence: float = 3.0
    #: Seconds that they have for it, at most.
    drain: float = 90.0
    #: Of the servers.
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ground:
    """Where a trial takes place, and the services that the nemesis may break."""

    cast: Cast
    database: Breakable | None = None
    layer: Breakable | None = None


@contextmanager
def own_ground(folder: Path, backend: str) -> Iterator[Ground]:
    """Make a site whose services, if it has any, belong to this trial alone."""
    with ExitStack() as stack:
        if backend == "sqlite":
            yield Ground(Cast.on(stack.enter_context(site_on(folder, None, None))))
            return
        database = stack.enter_context(services.breakable_postgres())
        layer = stack.enter_context(services.breakable_redis())
        made = stack.enter_context(site_on(folder, database.url, layer.url))
        yield Ground(Cast.on(made), database, layer)


def hold(plan: Plan, ground: Ground, folder: Path, say: Callable[[str], None]) -> Verdict:
    """Hold a trial.

    Parameters
    ----------
    plan
        What is tried.
    ground
        Where.
    folder
        An empty folder for the history and logs.
    say
        Is told what happens.
    """
    asyncio.run(_Trial(plan, ground, folder, say).hold())
    return check(read_histories(folder))


def hold_on(backend: str, plan: Plan, folder: Path) -> None:
    """Hold a trial on services of its own, in which all must go well and nothing go unseen."""
    said = [f"seed {plan.seed}, history in {folder}"]  # shown when it fails
    with own_ground(folder, backend) as ground:
        verdict = hold(plan, ground, folder, said.append)
    said.append(verdict.table())
    sys.stdout.write("\n".join(said))
    assert verdict.ok, "\n".join(verdict.violations)
    assert not verdict.vacuous, verdict.vacuous


class _Trial:
    def __init__(
        self, plan: Plan, ground: Ground, folder: Path, say: Callable[[str], None]
    ) -> None:
        self._plan = plan
        self._ground = ground
        self._folder = folder
        self._say = say
        self._cast = ground.cast
        environment = {**ground.cast.site.environment, **plan.environment}
        self._servers = [
            ServerProcess(number + 1, folder, environment) for number in range(plan.servers)
        ]
        addresses = [server.address for server in self._servers]
        works = self._cast.works(plan.load, plan.seed, str(folder), addresses)
        workers = [WorkerProcess(work, folder, os.environ) for work in works]
        self._publishers = workers[: len(workers) // 2]
        self._consumers = workers[len(workers) // 2 :]

    async def hold(self) -> None:
        with (
            Recorder(self._folder / f"nemesis{SUFFIX}", "nemesis") as recorder,
            ExitStack() as all_,
        ):
            for process in [*self._servers, *self._consumers, *self._publishers]:
                all_.enter_context(process.running())
            await self._disturb(recorder)
            self._say("calm; publishers end")
            await asyncio.gather(*(asyncio.to_thread(each.terminate) for each in self._publishers))
            await self._drain()
            recorder.append(Drained())
            for process in [*self._servers, *self._consumers]:
                process.check()
            for record in self._cast.truth():
                recorder.append(record)

    async def _disturb(self, recorder: Recorder) -> None:
        if not self._plan.with_faults:
            await asyncio.sleep(self._plan.seconds)
            return
        ground = self._ground
        faults = faults_by_kind(self._servers, self._consumers, ground.database, ground.layer)
        nemesis = Nemesis(recorder, self._say)
        await nemesis.run(self._steps(faults), self._plan.seconds)

    def _steps(self, faults: FaultsByKind) -> Iterator[Step]:
        if self._plan.kinds:
            return in_order(self._plan.kinds, faults)
        return schedule(self._plan.seed, faults)

    async def _drain(self) -> None:
        for consumers in self._consumers:
            consumers.send(signal.SIGUSR1)
        now = asyncio.get_running_loop().time
        started, quiet_since, size = now(), now(), -1
        while now() - quiet_since < self._plan.silence:
            if now() - started > self._plan.drain:
                self._say("the consumers did not get everything in time")
                return
            await asyncio.sleep(0.5)
            written = sum(path.stat().st_size for path in self._folder.glob(f"*{SUFFIX}"))
            if written != size or await self._outstanding():
                size, quiet_since = written, now()
        self._say(f"drained in {now() - started:.1f} s")

    async def _outstanding(self) -> int:
        """Return how many messages some consumer has not acknowledged."""
        server = Server(self._servers[0].address)
        habits = [
            (consuming.topic, consuming.key)
            for number in (1, 2)
            for consuming in self._cast.consumers(self._plan.load, number)
            if consuming.habit == "acknowledge"
        ]
        total = 0
        async with http_client() as client:
            for topic, key in habits:
                try:
                    found = await execute_over_http(client, server, key, OUTSTANDING, topic=topic)
                except NoAnswerError:
                    return 1  # it will be asked again
                total += found["outstandingCount"]
        return total
