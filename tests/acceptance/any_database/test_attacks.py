"""Whatever somebody with a good key does, the others are answered, and memory stays.

The attackers have a process of their own, and attack a server as fast as they can.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection
from typing import NamedTuple, TypedDict

import pytest

from tests.acceptance.clients import GraphQLSocket, graphql_socket
from tests.acceptance.servers import ROOT, Server, site
from tests.endurance.memory import resident_memory
from tests.security.attackers import ATTACKS

MEGABYTE = 1024 * 1024
VIEWER = "{ viewer { username } }"

#: Looks, until in one of them nobody waited for too long. A server that lets others wait does so
#: in each; a machine that has something else to do does not.
LOOKS = 4


class Limits(NamedTuple):
    """Seconds, at most."""

    #: That another client waits for an answer.
    answer: float
    #: For which the event loop works at one stretch.
    turn: float


#: Far above the promise, and far below the standstills that there were: other tests run beside.
ON_A_BUSY_MACHINE = Limits(answer=2.0, turn=0.5)

#: Bytes that an attack may cost.
SPARE = 50 * MEGABYTE

Running = tuple[Server, dict[str, str]]


class Turns(TypedDict):
    """What ``/turns`` answers, server to client."""

    #: Seconds of work between two turns of the event loop, at most, since it was last asked.
    longest: float
    #: Resident bytes.
    memory: int


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Return a server, and the keys of an attacker and of somebody else."""
    with site(tmp_path_factory.mktemp("site")) as made:
        rights = ["can_produce", "can_consume"]
        keys = made.prepare({"topic": {}}, {"attacker": rights, "other": rights})
        with made.server(application="tests.security.asgi:application") as server:
            yield server, keys
        log = (made.folder / f"server-{server.port}.log").read_text()
        assert "Traceback" not in log, log


@pytest.mark.parametrize("name", ATTACKS)
async def test_attack(running: Running, name: str) -> None:
    """The server goes on for others: a short look, beside whatever else the machine does."""
    await attack(running, name, seconds=0.5, limits=ON_A_BUSY_MACHINE)


async def attack(running: Running, name: str, *, seconds: float, limits: Limits) -> None:
    """Attack a server while another client asks.

    Parameters
    ----------
    running
        The server.
    name
        The attack.
    seconds
        Of each look.
    limits
        What the other client and the server's event loop may have to bear.
    """
    server, keys = running
    async with graphql_socket(server, keys["other"]) as socket:
        await _watch(server, socket, seconds=0.5)  # to be warm
        before = await asyncio.to_thread(_turns, server)
        attackers = await asyncio.to_thread(_begin, name, server.port, keys["attacker"])
        try:
            looks = await _look_until_prompt(server, socket, seconds, limits.answer)
            turns = await asyncio.to_thread(_turns, server)
        finally:
            made, errors = await asyncio.to_thread(attackers.communicate, "")
    assert attackers.returncode == 0, errors
    assert int(made) > 0
    assert looks[-1].slowest < limits.answer
    assert turns["longest"] < limits.turn
    assert max(look.memory for look in looks) - before["memory"] < SPARE


class Look(NamedTuple):
    """How the server was for a while."""

    #: Seconds that an answer took, at most.
    slowest: float
    #: Resident bytes, at most.
    memory: int


async def _look_until_prompt(
    server: Server, socket: GraphQLSocket, seconds: float, answered_in: float
) -> list[Look]:
    looks: list[Look] = []
    while len(looks) < LOOKS and not (looks and looks[-1].slowest < answered_in):
        looks.append(await _watch(server, socket, seconds=seconds))
    return looks


async def _watch(server: Server, socket: GraphQLSocket, *, seconds: float) -> Look:
    """Ask again and again."""
    slowest, memory, end = 0.0, 0, time.monotonic() + seconds
    while (begun := time.monotonic()) < end:
        assert await socket.execute(VIEWER) == {"username": "other"}
        slowest = max(slowest, time.monotonic() - begun)
        memory = max(memory, resident_memory(server.process.pid))
        await asyncio.sleep(0.01)
    return Look(slowest, memory)


def _turns(server: Server) -> Turns:
    with closing(HTTPConnection("127.0.0.1", server.port, timeout=30)) as connection:
        connection.request("GET", "/turns")
        turns: Turns = json.load(connection.getresponse())
    return turns


def _begin(name: str, port: int, key: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.security.attackers", name, str(port), key],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
