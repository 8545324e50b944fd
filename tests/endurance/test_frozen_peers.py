"""Promise 8: a client that is frozen is let go of, and everything that it held."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    asynccontextmanager,
    contextmanager,
)

import pytest

from tests.acceptance.clients import Http, http_client
from tests.acceptance.servers import ROOT, Server, site
from tests.endurance.conftest import enduring, is_back_at, until, vitals_of
from tests.endurance.vitals import Vitals
from tests.endurance.wire import Wire

pytestmark = pytest.mark.timeout(180)

FROZEN = 10
LARGE = "x" * 32 * 1024

PINGS = ("--ws-ping-interval", "3", "--ws-ping-timeout", "1")
READERS = [("graphql", "stored"), ("graphql", "unstored"), ("dasf", "unstored")]

MESSAGES = "subscription ($topic: String!) { messages(topic: $topic, start: NEW) { text } }"

#: A client with subscriptions.
_CLIENT = """
import asyncio, sys
from tests.endurance.wire import Wire
async def main(port, key, query):
    wires = [await Wire.connect(int(port)) for _ in range(10)]
    for wire in wires:
        await wire.upgrade_to_graphql(key)
        wire.subscribe(query, topic="stored")
    await asyncio.gather(*(wire.receive() for wire in wires))
asyncio.run(main(*sys.argv[1:]))
"""


Running = tuple[Server, dict[str, str]]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Return a server that is quick to give up, and the keys of a producer and a consumer."""
    with site(tmp_path_factory.mktemp("site")) as made:
        keys = made.prepare(
            {"stored": {"store_messages": "store"}, "unstored": {"store_messages": "disabled"}},
            {"producer": ["can_produce"], "consumer": ["can_consume"]},
        )
        with enduring(made, *PINGS, SEND_TIMEOUT="2") as server:
            yield server, keys


@pytest.fixture
async def base(running: Running) -> Vitals:
    """Return how the server is without clients, once it has opened what it keeps open."""
    server, keys = running
    for protocol, topic in READERS:
        async with _frozen(server, keys["consumer"], protocol, topic), _producer(running) as http:
            await asyncio.gather(*(_publish(http, topic) for _ in range(8)))
    return await until(server, lambda vitals: not vitals["topics"] and not vitals["sockets"])


async def test_process_that_is_stopped(running: Running, base: Vitals) -> None:
    """A stopped process answers no ping: its sockets are closed, though it is still there."""
    server, keys = running
    with _client(server, keys["consumer"]) as client:
        await until(server, lambda vitals: vitals["sockets"] == vitals["mailboxes"] == FROZEN)
        client.send_signal(signal.SIGSTOP)
        await until(server, lambda vitals: is_back_at(vitals, base))


async def test_readers_that_never_read(running: Running, base: Vitals) -> None:
    """Whoever takes nothing is given up, with all that waits for them, on busy topics."""
    server, keys = running
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(_producer(running))
        for protocol, topic in READERS:
            await stack.enter_async_context(_frozen(server, keys["consumer"], protocol, topic))
        while vitals_of(server)["topics"]:
            await asyncio.gather(*(_publish(http, topic) for _, topic in READERS * 4))
        await until(server, lambda vitals: is_back_at(vitals, base))


@pytest.mark.parametrize(("protocol", "topic"), READERS)
async def test_readers_that_never_read_when_all_is_quiet(
    running: Running, base: Vitals, protocol: str, topic: str
) -> None:
    """The same where nothing more is to be sent, and the last of it is in a buffer."""
    server, keys = running
    async with _frozen(server, keys["consumer"], protocol, topic), _producer(running) as http:
        await asyncio.gather(*(_publish(http, topic) for _ in range(40)))
        while not vitals_of(server)["unsent"]:
            await _publish(http, topic)
        await until(server, lambda vitals: is_back_at(vitals, base))


@asynccontextmanager
async def _frozen(server: Server, key: str, protocol: str, topic: str) -> AsyncIterator[None]:
    """Open sockets that listen to a topic and never read."""
    wires = [await Wire.connect(server.port, receive_buffer=4096) for _ in range(FROZEN)]
    for wire in wires:
        if protocol == "dasf":
            await wire.upgrade(f"/ws/{topic}/frozen", Authorization=f"Token {key}")
        else:
            await wire.upgrade_to_graphql(key)
            wire.subscribe(MESSAGES, topic=topic)
        wire.stop_reading()
    await until(server, lambda vitals: vitals["mailboxes"] >= FROZEN)
    try:
        yield
    finally:
        for wire in wires:
            wire.drop()


@contextmanager
def _client(server: Server, key: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process that has subscriptions."""
    command = [sys.executable, "-c", _CLIENT, str(server.port), key, MESSAGES]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as client:
        try:
            yield client
        finally:
            client.kill()


def _producer(running: Running) -> AbstractAsyncContextManager[Http]:
    server, keys = running
    return http_client(server, keys["producer"])


async def _publish(http: Http, topic: str) -> None:
    query = "mutation ($input: PublishMessageInput!) { publishMessage(input: $input) { status } }"
    await http.execute(query, input={"topic": topic, "text": LARGE})
