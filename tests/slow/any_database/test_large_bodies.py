"""One large request delays nobody by more than 100 ms, and ten at once by less than a second."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from asyncio.subprocess import Process

import pytest

from tests.acceptance.any_database.test_attacks import LOOKS, VIEWER, Running, running
from tests.acceptance.clients import GraphQLSocket, graphql_socket
from tests.acceptance.servers import ROOT, Server
from tests.security.large_attack import DOORS, REQUESTS

__all__ = ["running"]

#: Seconds that somebody else may wait for longer than on an idle server, by requests at once.
PROMISED = {1: 0.1, 10: 1.0}


@pytest.mark.parametrize("count", PROMISED)
@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("name", REQUESTS)
async def test_bystander(running: Running, name: str, door: str, count: int) -> None:
    """In one of a few looks, because the machine may have something else to do in the others."""
    server, keys = running
    async with graphql_socket(server, keys["other"]) as socket:
        attacker = await _start(server, name, door, count, keys["attacker"])
        try:
            waits = [await _look(socket, attacker)]
            while len(waits) < LOOKS and waits[-1] >= PROMISED[count]:
                waits.append(await _look(socket, attacker))
        finally:
            await _end(attacker)
    assert min(waits) < PROMISED[count], waits


async def _look(socket: GraphQLSocket, attacker: Process) -> float:
    """Return for how much longer somebody waits while the requests are answered."""
    assert attacker.stdin is not None
    await _told(attacker, b"ready\n")
    idle = await _longest_wait(socket, asyncio.create_task(asyncio.sleep(0.3)))
    attacker.stdin.write(b"go\n")
    return await _longest_wait(socket, asyncio.create_task(_told(attacker, b"done\n"))) - idle


async def _longest_wait(socket: GraphQLSocket, until: asyncio.Task[None]) -> float:
    longest, stop = 0.0, False
    while not stop:
        stop = until.done()  # once more afterwards: what was begun may be in the way
        begun = time.perf_counter()
        assert await socket.execute(VIEWER) == {"username": "other"}
        longest = max(longest, time.perf_counter() - begun)
    await until
    return longest


async def _start(server: Server, name: str, door: str, count: int, key: str) -> Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.security.large_attack"),
        *(name, door, str(count), str(server.port), key),
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


async def _told(attacker: Process, expected: bytes) -> None:
    assert attacker.stdout is not None
    async with asyncio.timeout(60):
        assert await attacker.stdout.readline() == expected


async def _end(attacker: Process) -> None:
    _, errors = await attacker.communicate(b"")  # which ends its standard input
    assert attacker.returncode == 0, errors.decode()
