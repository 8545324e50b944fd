"""What the nemesis can break in a trial."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import redis

from tests.chaos.harness.nemesis import FaultsByKind
from tests.chaos.processes import Process, ServerProcess, WorkerProcess
from tests.services import Breakable

#: In seconds.
HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class Breakage:
    """A fault made of functions that may block."""

    title: Callable[[], str]
    victim: str
    break_it: Callable[[], object]
    heal_it: Callable[[], object]

    @property
    def name(self) -> str:
        """What the history calls it."""
        return self.title()

    async def begin(self) -> None:
        """Break it."""
        await asyncio.to_thread(self.break_it)

    async def end(self) -> None:
        """Heal it."""
        await asyncio.to_thread(self.heal_it)


def faults_by_kind(
    servers: Sequence[ServerProcess],
    consumers: Sequence[WorkerProcess],
    database: Breakable | None,
    layer: Breakable | None,
) -> FaultsByKind:
    """Return what can be broken; services only where there are any."""
    faults: dict[str, list[Breakage]] = {
        "kill server": [_kill(each) for each in servers],
        "restart server": [_restart(each) for each in servers],
        "stop server": [_stop(each, lambda each=each: each.name) for each in servers],  # type: ignore[misc]
        "move clock": [_move_clock(each, hours) for each in servers for hours in (-26, 7)],
        "kill client": [_kill(each) for each in consumers],
        "stop client": [
            _stop(each, lambda each=each: f"client {each.who}")  # type: ignore[misc]
            for each in consumers
        ],
        "drop announcements": [_announce(servers, "drop", drop=0.6)],
        "delay announcements": [_announce(servers, "delay", delay=0.6)],
        "double announcements": [_announce(servers, "double", duplicate=0.6)],
        "shuffle announcements": [_announce(servers, "shuffle", reorder=0.6)],
    }
    if database is not None:
        faults["kill database"] = [_kill_service("database", database)]
    if layer is not None:
        faults["kill redis"] = [_kill_service("redis", layer)]
        faults["flush redis"] = [_flush(layer)]
    return faults


def _kill(process: Process) -> Breakage:
    return Breakage(lambda: f"kill {process.name}", process.name, process.kill, process.start)


def _restart(server: ServerProcess) -> Breakage:
    return Breakage(lambda: f"restart {server.name}", server.name, server.terminate, server.start)


def _stop(process: Process, title: Callable[[], str]) -> Breakage:
    return Breakage(
        lambda: f"stop {title()}",
        process.name,
        lambda: process.send(signal.SIGSTOP),
        lambda: process.send(signal.SIGCONT),
    )


def _kill_service(name: str, service: Breakable) -> Breakage:
    return Breakage(lambda: f"kill {name}", name, service.kill, service.start)


def _flush(service: Breakable) -> Breakage:
    def flush() -> None:
        with redis.Redis.from_url(service.url) as client:
            client.flushall()

    return Breakage(lambda: "flush redis", "redis", flush, lambda: None)


def _move_clock(server: ServerProcess, hours: int) -> Breakage:
    return Breakage(
        lambda: f"move clock of {server.name} by {hours} h",
        f"clock of {server.name}",
        lambda: server.change_faults(clock=hours * HOUR),
        lambda: server.change_faults(clock=0.0),
    )


def _announce(servers: Iterable[ServerProcess], how: str, **faults: Any) -> Breakage:
    def give(values: dict[str, Any]) -> None:
        for server in servers:
            server.change_faults(**values)

    return Breakage(
        lambda: f"{how} announcements",
        "announcements",
        lambda: give(faults),
        lambda: give(dict.fromkeys(faults, 0.0)),
    )
