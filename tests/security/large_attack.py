"""Requests that are ready to be sent all at once, from a process of their own.

``python -m tests.security.large_attack NAME DOOR COUNT PORT KEY`` says when it is ready, sends
the requests at each line of its standard input, and says when all are answered.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from contextlib import suppress

from tests.endurance.wire import GRAPHQL, TEXT, ClosedError, Wire, initialisation, masked
from tests.security.large_bodies import FEW, FRAME, HTTP, MANY, PUBLISH, Body

#: Documents with an argument of each kind, whose value is a text.
DOCUMENTS = {
    "UUID": 'query ($x: UUID!) { message(topic: "topic", messageId: $x) { id } }',
    "ID": "query ($x: ID!) { node(id: $x) { id } }",
    "enum": "query ($x: TopicOrder!) { topics(order: $x) { __typename } }",
    "DateTime": (
        'query ($x: DateTime) { messages(topic: "topic", filter: {publishedSince: $x}) '
        "{ __typename } }"
    ),
    "cursor": "query ($x: String) { topics(after: $x) { __typename } }",
    "search": "query ($x: String!) { topics(filter: {search: $x}) { __typename } }",
    "Int": "query ($x: Int) { topics(first: $x) { __typename } }",
}

#: Characters of a text that passes the limit of a request, escaped or not.
TEXT_LENGTH = 40_000

UNITS = {"blanks": " ", "nul": "\0", "combining": "\u0301", "digits": "7", "quotes": '"'}


def _body(body: Body, *, publishes: bool) -> Callable[[str], str]:
    def text(door: str) -> str:
        if door == "http":
            return body.request(HTTP, publishes=publishes)
        return body.frame(FRAME, publishes=publishes)

    return text


def _argument(document: str, unit: str) -> Callable[[str], str]:
    def text(door: str) -> str:
        request = {"query": document, "variables": {"x": unit * TEXT_LENGTH}}
        frame = {"id": "1", "type": "subscribe", "payload": request}
        return json.dumps(request if door == "http" else frame)

    return text


def _floats(count: int) -> Callable[[str], str]:
    def text(door: str) -> str:
        query = json.loads(f'"{PUBLISH}"').replace("data: $x", "properties: $x")
        request = {"query": query, "variables": {"x": {"own": [1 / 3 + i for i in range(count)]}}}
        frame = {"id": "1", "type": "subscribe", "payload": request}
        return json.dumps(request if door == "http" else frame)

    return text


#: The text of the request, by name, for ``http`` or ``websocket``.
REQUESTS: dict[str, Callable[[str], str]] = {
    **{f"many {name}": _body(body, publishes=True) for name, body in MANY.items()},
    **{f"large {name}": _body(body, publishes=False) for name, body in FEW.items()},
    **{f"published {name}": _body(body, publishes=True) for name, body in FEW.items()},
    **{
        f"{unit} as {kind}": _argument(document, text)
        for unit, text in UNITS.items()
        for kind, document in DOCUMENTS.items()
    },
    "floats in properties": _floats(19_000),
    "too many floats in properties": _floats(50_000),
}

DOORS = ("http", "websocket")


async def _open(door: str, text: bytes, port: int, key: str) -> tuple[Wire, bytes]:
    wire = await Wire.connect(port)
    if door == "http":
        return wire, _head(key, len(text)) + text
    await wire.upgrade("/graphql/", **GRAPHQL)
    wire.send(initialisation(key))
    await wire.receive()
    return wire, masked(TEXT, text)


def _head(key: str, length: int) -> bytes:
    lines = [
        "POST /graphql/ HTTP/1.1",
        "Host: 127.0.0.1",
        "Connection: close",
        "Content-Type: application/json",
        f"Authorization: Bearer {key}",
        f"Content-Length: {length}",
    ]
    return "\r\n".join([*lines, "", ""]).encode()


async def _send(wire: Wire, data: bytes, door: str) -> None:
    with suppress(ConnectionError):  # some are so wrong that the socket ends
        wire.write(data)
        await wire.drain()
        await (wire.read_all() if door == "http" else wire.receive())
    with suppress(OSError):
        wire.drop()


async def main(name: str, door: str, count: str, port: str, key: str) -> None:
    """Send the requests, all at once, as often as there are lines."""
    text = REQUESTS[name](door).encode()
    while True:
        made = [await _open(door, text, int(port), key) for _ in range(int(count))]
        print("ready", flush=True)  # noqa: T201 - this is what the test reads
        if not await asyncio.to_thread(sys.stdin.readline):
            return
        await asyncio.gather(*(_send(wire, data, door) for wire, data in made))
        print("done", flush=True)  # noqa: T201


if __name__ == "__main__":
    with suppress(ClosedError):
        asyncio.run(main(*sys.argv[1:]))
