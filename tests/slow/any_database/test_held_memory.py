"""The memory of a real server, of which strangers try to occupy as much as they can."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress

import httpx
import pytest

from tests.acceptance.servers import Server, site
from tests.endurance.memory import resident_memory
from tests.endurance.wire import GRAPHQL, TEXT, Wire

MEGABYTE = 1024 * 1024

#: Seconds after which a stalled client must have been dropped: the defaults, and some to spare.
DROPPED = 30.0 + 15.0

WITH_VARIABLE = (
    'subscription ($x: String) { pongs(topic: "topic") '
    "{ topic { messages(first: 1, after: $x) { edges { cursor } } } } }"
)

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Return a server with default settings and a topic for everybody."""
    with site(tmp_path_factory.mktemp("site")) as made:
        made.prepare({"topic": {"is_public": True, "store_messages": "store"}}, {})
        with made.server() as running:
            yield running


@pytest.mark.parametrize("size", [10, 60_000, 500_000, 2_000_000])
async def test_idle_subscriptions_with_large_variables(server: Server, size: int) -> None:
    """A hundred on one anonymous socket: they cost little, or are refused."""
    wire = await _anonymous(server)
    before = _memory(server)
    for number in range(100):
        payload = {"query": WITH_VARIABLE, "variables": {"x": "x" * size}}
        wire.send({"type": "subscribe", "id": str(number), "payload": payload})
        await wire.drain()
    wire.send({"type": "ping"})
    codes: Counter[str] = Counter()
    expected = {"pong": 1, **({"PAYLOAD_TOO_LARGE": 100} if size > 64 * 1024 else {})}
    async with asyncio.timeout(30):
        while codes.total() < sum(expected.values()):
            frame = json.loads(await wire.receive())
            is_pong = frame["type"] == "pong"
            codes["pong" if is_pong else frame["payload"][0]["extensions"]["code"]] += 1
    assert codes == expected
    # What Python keeps of the memory of a few frames counts as well.
    assert _memory(server) - before < 40 * MEGABYTE
    wire.drop()


async def test_answers_that_nobody_reads(server: Server) -> None:
    """Three connections cost what their answers cost, and only until they are dropped."""
    await _publish(server, 10, 500_000)
    fields = " ".join(
        f'm{number}: messages(topic: "topic", first: 50) {{ edges {{ node {{ payload }} }} }}'
        for number in range(2)
    )
    body = json.dumps({"query": f"{{ {fields} }}"}).encode()
    await _watch(server, lambda: _request_without_reading(server, body), count=3)


async def test_messages_that_do_not_end(server: Server) -> None:
    """Twenty sockets with all but the end of a message keep it for half a minute."""
    size = 4 * MEGABYTE - 100
    head = bytes([0x80 | TEXT, 0xFF]) + size.to_bytes(8, "big") + bytes(4)

    async def begin() -> Wire:
        wire = await _anonymous(server)
        wire.write(head + b"x" * (size - 10))
        await wire.drain()
        return wire

    await _watch(server, begin, count=20)


async def test_bodies_at_other_paths(server: Server) -> None:
    """They are refused with the first bytes that are too many."""
    for method in ("PUT", "POST", "PATCH"):
        for path in ("/topic/ping/", "/topic/status/", "/graphql/"):
            wire = await Wire.connect(server.port)
            head = (
                f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {300 * MEGABYTE}"
            )
            wire.write(f"{head}\r\n\r\n".encode())
            with suppress(ConnectionError):
                for _ in range(300):
                    wire.write(b"x" * MEGABYTE)
                    await wire.drain()
                pytest.fail("all of it was read")


async def _watch(server: Server, attack: Callable[[], Awaitable[Wire]], *, count: int) -> None:
    """Attack, and see that the server drops the connections and is as it was."""
    for wire in [await attack() for _ in range(2)]:  # to be warm
        wire.drop()
    await asyncio.sleep(2)
    before = _memory(server)
    wires = [await attack() for _ in range(count)]
    await asyncio.sleep(DROPPED)
    assert _memory(server) - before < 50 * MEGABYTE
    for wire in wires:
        wire.read_again()
        await asyncio.wait_for(_until_closed(wire), 10)


async def _until_closed(wire: Wire) -> None:
    with suppress(ConnectionError):
        while await wire._reader.read(MEGABYTE):
            pass


async def _anonymous(server: Server) -> Wire:
    wire = await Wire.connect(server.port)
    await wire.upgrade("/graphql/", **GRAPHQL)
    wire.send({"type": "connection_init"})
    assert await wire.receive() == '{"type":"connection_ack"}'
    return wire


async def _request_without_reading(server: Server, body: bytes) -> Wire:
    wire = await Wire.connect(server.port, receive_buffer=4096)
    wire.stop_reading()
    lines = [
        "POST /graphql/ HTTP/1.1",
        "Host: 127.0.0.1",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
    ]
    wire.write("\r\n".join([*lines, "", ""]).encode() + body)
    return wire


async def _publish(server: Server, count: int, size: int) -> None:
    query = (
        "mutation ($text: String!) "
        '{ publishMessage(input: {topic: "topic", text: $text}) { status } }'
    )
    async with httpx.AsyncClient() as client:
        for _ in range(count):
            request = {"query": query, "variables": {"text": "x" * size}}
            answer = (await client.post(server.graphql, json=request)).json()
            assert "errors" not in answer, answer


def _memory(server: Server) -> int:
    return resident_memory(server.process.pid)
