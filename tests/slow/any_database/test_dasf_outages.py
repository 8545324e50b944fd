"""The unmodified client survives a rolling restart behind a load balancer, and a dead database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests import services
from tests.acceptance.dasf.conftest import Broker, Client
from tests.acceptance.dasf.test_restart import PEOPLE, TOPICS
from tests.acceptance.servers import Server, site

#: Where the module consumes, as far as its name is known before.
MODULE = b"/ws/module/backend-module-"

#: Seconds after which something that should happen is not going to.
DEADLINE = 90.0

#: Seconds after which the client asks again. The module is away for ten.
PATIENCE = 25.0


@dataclass
class LoadBalancer:
    """Passes connections on to one server at a time."""

    server: Server
    port: int = 0
    #: What the connections that have ended began with.
    ended: list[bytes] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass on one connection; end it as the server ends it."""
        with suppress(OSError):
            head = await reader.readuntil(b"\r\n\r\n")
            answers, server = await asyncio.open_connection("127.0.0.1", self.server.port)
            server.write(head)
            sides = [_copy(reader, server), _copy(answers, writer)]
            tasks = [asyncio.create_task(each) for each in sides]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                task.cancel()
            server.close()
            self.ended.append(head)
        writer.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()


@asynccontextmanager
async def load_balancer(server: Server) -> AsyncIterator[LoadBalancer]:
    """Listen as long as the context lasts."""
    made = LoadBalancer(server)
    listening = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.port = listening.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        listening.close()


@pytest.mark.timeout(240)
async def test_rolling_restart_and_dead_database(tmp_path: Path) -> None:
    """The same module answers afterwards, also what was asked meanwhile."""
    with ExitStack() as stack:
        postgres = stack.enter_context(services.breakable_postgres())
        made = stack.enter_context(site(tmp_path, DATABASE_URL=postgres.url))
        keys = made.prepare(TOPICS, PEOPLE)
        first = stack.enter_context(made.server())
        async with load_balancer(first) as balancer:
            broker = Broker(Server(first.process, balancer.port), keys)
            with broker.module() as module:
                client = await asyncio.to_thread(stack.enter_context, broker.client("client"))
                assert await ask(client) == [module.pid]

                balancer.server = second = stack.enter_context(made.server())
                await asyncio.to_thread(first.stop)
                assert await ask(client, 3) == [module.pid] * 3

                balancer.server = stack.enter_context(made.server())
                await asyncio.to_thread(postgres.kill)
                attempts = modules_among(balancer.ended)
                await asyncio.to_thread(second.stop)
                # It is dropped by the server that ends, and once more without a database.
                await until(lambda: modules_among(balancer.ended) >= attempts + 2)
                await asyncio.to_thread(postgres.start)
                assert await ask(client, 3) == [module.pid] * 3
                assert module.poll() is None


async def ask(client: Client, times: int = 1) -> list[int]:
    """Ask the module at once who it is, as often as told."""
    return await asyncio.gather(*(ask_once(client) for _ in range(times)))


async def ask_once(client: Client) -> int:
    """Ask the module who it is, again while the server takes no message.

    What the client sends on a socket whose user the server never learned has no answer.
    """
    async with asyncio.timeout(DEADLINE):
        while True:
            asking = client.begin({"func_name": "who"})
            try:
                answer = await asyncio.to_thread(asking.result, PATIENCE)
            except TimeoutError:
                continue
            if answer["status"] == "success":
                return int(answer["msg"])
            assert "try again" in answer["msg"]["result"]


def modules_among(heads: list[bytes]) -> int:
    """Count the connections of modules."""
    return sum(MODULE in head for head in heads)


async def until(condition: Callable[[], bool]) -> None:
    """Wait until a condition holds."""
    async with asyncio.timeout(DEADLINE):
        while not condition():  # noqa: ASYNC110 - other processes ring no bell
            await asyncio.sleep(0.05)
