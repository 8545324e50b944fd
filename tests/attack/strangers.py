"""The strangers, in a process of their own: ``python -m tests.attack.strangers PORT KEY``.

Each attack begins again when it was refused or disconnected, until standard input ends. The last
line on standard output is a JSON object: how often each attack began.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, TypeAlias
from uuid import uuid4

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException
from websockets.typing import Subprotocol

from tests.endurance.wire import TEXT, Wire, masked

#: Gets the port of the server, and the key of a user without any right.
Attack: TypeAlias = Callable[[int, str], Awaitable[None]]

MEGABYTE = 1024 * 1024

#: Seconds to wait for an answer. A stranger who waits for longer attacks less.
PATIENCE = 20.0

#: Seconds between two attempts of one attack, so that they leave the processor to the server.
PAUSE = 0.2

LISTS = " ".join(
    f'a{number}: messages(topic: "large", first: 5) {{ edges {{ node {{ messageId }} }} }}'
    for number in range(14)
)
BODIES = " ".join(f"a{number}: payload" for number in range(15))
ALL_FIELDS = "id messageId messageType properties payload data text content context cursor"


# --- over HTTP --------------------------------------------------------------------------------


async def long_texts(port: int, key: str) -> None:
    """Values of 1 MB that are searched and echoed: blanks, NUL characters, combining marks."""
    query = 'query ($x: UUID!) { message(topic: "large", messageId: $x) { id } }'
    for character in (" ", "\0", "\u0301", "'", "9"):
        await _post(port, query, x=character * MEGABYTE)


async def many_bodies(port: int, key: str) -> None:
    """Ask for the same bodies of 900 KB under fifteen names."""
    edges = f"edges {{ node {{ {BODIES} }} }}"
    await _post(port, f'{{ messages(topic: "large", first: 50) {{ {edges} }} }}')


async def twenty_queries(port: int, key: str) -> None:
    """Send queries of about the cost that is allowed, at once."""
    edges = f"edges {{ node {{ {ALL_FIELDS} }} }}"
    query = f'{{ messages(topic: "many", first: 500) {{ {edges} }} }}'
    await asyncio.gather(*(_post(port, query) for _ in range(20)))


async def many_containers(port: int, key: str) -> None:
    """Variables of 2.6 MB with nothing but empty lists, ten at once."""
    body = '{"query":"{ __typename }","variables":{"x":[' + "[]," * 850_000 + "[]]}}"
    await asyncio.gather(*(_send(port, body) for _ in range(10)))


async def many_numbers(port: int, key: str) -> None:
    """Send a message of 1 MB with nothing but numbers."""
    data = [number / 7 for number in range(50_000)]
    await _post(port, _PUBLISH, input={"topic": "dump", "data": data})


async def poison(port: int, key: str) -> None:
    """Messages that are no strict JSON, to the topic that others read."""
    for text in ("1e999", "[NaN]", '"\\ud800"', '{"a": -1e400}', "9" * 5000):
        await _post(port, _PUBLISH, input={"topic": "open", "text": text})


async def new_response_topics(port: int, key: str) -> None:
    """500 messages with as many new response topics, eight times at once."""

    def inputs() -> list[dict[str, str]]:
        return [
            {"topic": "dump", "text": "x", "responseTopic": f"dump_{uuid4().hex}"}
            for _ in range(500)
        ]

    publish = "mutation ($inputs: [PublishMessageInput!]!) { publishMessages(inputs: $inputs) "
    query = publish + "{ results { status } } }"
    await asyncio.gather(*(_post(port, query, as_=key, inputs=inputs()) for _ in range(8)))


async def bodies_elsewhere(port: int, key: str) -> None:
    """Bodies of 50 MB for other methods and paths."""

    async def send(method: str, path: str) -> None:
        async def body() -> Any:
            for _ in range(50):
                yield b"x" * MEGABYTE

        async with _client(port) as client:
            await client.request(method, path, content=body())

    paths = [("PUT", "/graphql/"), ("DELETE", "/graphql/"), ("POST", "/topics/open/ping/")]
    await asyncio.gather(*(_quietly(send(*each)) for each in paths))


async def unread_answers(port: int, key: str) -> None:
    """Ask for much over one connection, and read nothing."""
    edges = f"edges {{ node {{ {BODIES} }} }}"
    query = json.dumps({"query": f'{{ messages(topic: "large", first: 1) {{ {edges} }} }}'})
    wire = await Wire.connect(port, receive_buffer=4096)
    wire.stop_reading()
    lines = ["POST /graphql/ HTTP/1.1", "Host: 127.0.0.1", "Content-Type: application/json"]
    head = "\r\n".join([*lines, f"Content-Length: {len(query)}", "", query])
    for _ in range(10):
        wire.write(head.encode())
    await asyncio.sleep(PATIENCE)
    wire.drop()


# --- over sockets -----------------------------------------------------------------------------


async def many_lists(port: int, key: str) -> None:
    """100 operations of 14 lists each on one socket."""
    async with _socket(port) as socket:
        for number in range(100):
            await _subscribe(socket, number, f"{{ {LISTS} }}")
        for _ in range(200):
            await asyncio.wait_for(socket.recv(), PATIENCE)


async def large_variables(port: int, key: str) -> None:
    """100 idle subscriptions with a variable of 2 MB each."""
    query = "subscription ($topic: String!, $x: [String!]) { messages(topic: $topic) { text } "
    query += "topicChanges: __typename @skip(if: true) }"
    async with _socket(port) as socket:
        for number in range(100):
            variables = {"topic": "large", "x": ["x" * 2_000_000]}
            await _subscribe(socket, number, query, **variables)
        await asyncio.sleep(PATIENCE)


async def large_frames(port: int, key: str) -> None:
    """Frames of 4 MB with nothing but empty lists."""
    async with _socket(port) as socket:
        payload = '{"query":"{ __typename }","variables":{"x":[' + "[]," * 1_300_000 + "[]]}}"
        await socket.send(f'{{"type":"subscribe","id":"1","payload":{payload}}}')
        await asyncio.wait_for(socket.recv(), PATIENCE)


async def seats(port: int, key: str) -> None:
    """Sockets of nobody, as many as the stranger can get."""
    wires = [await Wire.connect(port) for _ in range(200)]
    for wire in wires:
        await wire.upgrade("/graphql/", **{"Sec-WebSocket-Protocol": "graphql-transport-ws"})
    await asyncio.sleep(PATIENCE)
    for wire in wires:
        wire.drop()


async def small_frames(port: int, key: str) -> None:
    """Frames that need no answer, as many as the stranger can send in a while."""
    wire = await Wire.connect(port)
    await wire.upgrade_to_graphql(key)
    for _ in range(100):
        wire.write(masked(TEXT, b'{"type":"pong"}') * 1000)
        await wire.drain()
    wire.drop()


async def wrong_documents(port: int, key: str) -> None:
    """Documents that are refused, each of them another one."""
    async with _socket(port) as socket:
        for number in range(100):
            fields = " ".join(f"a{each}: viewer {{ nothing }}" for each in range(15))
            await _subscribe(socket, number, f"# {uuid4()}\n{{ {fields} }}")
            await asyncio.wait_for(socket.recv(), PATIENCE)


# --- helpers ----------------------------------------------------------------------------------

_PUBLISH = "mutation ($input: PublishMessageInput!) { publishMessage(input: $input) { status } }"

ATTACKS: dict[str, Attack] = {
    attack.__name__: attack
    for attack in (
        long_texts,
        many_bodies,
        twenty_queries,
        many_containers,
        many_numbers,
        poison,
        new_response_topics,
        bodies_elsewhere,
        unread_answers,
        many_lists,
        large_variables,
        large_frames,
        seats,
        small_frames,
        wrong_documents,
    )
}


def _client(port: int) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE)


async def _post(port: int, query: str, *, as_: str | None = None, **variables: Any) -> None:
    await _send(port, json.dumps({"query": query, "variables": variables}), as_=as_)


async def _send(port: int, body: str, *, as_: str | None = None) -> None:
    headers = {"content-type": "application/json"}
    if as_ is not None:
        headers["authorization"] = f"Bearer {as_}"
    async with _client(port) as client:
        await client.post("/graphql/", content=body, headers=headers)


def _socket(port: int) -> connect:
    return _Introduced(
        f"ws://127.0.0.1:{port}/graphql/",
        subprotocols=[Subprotocol("graphql-transport-ws")],
        max_size=None,
    )


class _Introduced(connect):
    async def __aenter__(self) -> ClientConnection:
        socket = await super().__aenter__()
        await socket.send('{"type":"connection_init"}')
        await asyncio.wait_for(socket.recv(), PATIENCE)
        return socket


async def _subscribe(socket: ClientConnection, number: int, query: str, **variables: Any) -> None:
    payload = {"query": query, "variables": variables}
    await socket.send(json.dumps({"type": "subscribe", "id": str(number), "payload": payload}))


async def _quietly(attempt: Awaitable[None]) -> None:
    # They are refused, disconnected and kept waiting: that is what the server should do.
    with suppress(OSError, TimeoutError, httpx.HTTPError, WebSocketException):
        await attempt


async def _again_and_again(name: str, port: int, key: str, begun: Counter[str]) -> None:
    while True:
        begun[name] += 1
        await _quietly(ATTACKS[name](port, key))
        await asyncio.sleep(PAUSE)


async def main(port: str, key: str, *names: str) -> None:
    """Attack until standard input ends."""
    begun: Counter[str] = Counter()
    tasks = [
        asyncio.create_task(_again_and_again(name, int(port), key, begun))
        for name in names or ATTACKS
    ]
    await asyncio.to_thread(sys.stdin.read)
    for task in tasks:
        task.cancel()
    ended, _ = await asyncio.wait(tasks, timeout=1)  # some would wait for the server's goodbye
    failed = [each.exception() for each in ended if not each.cancelled()]
    assert not failed, failed
    print(json.dumps(begun), flush=True)  # noqa: T201 - this is what the parent reads
    os._exit(0)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
