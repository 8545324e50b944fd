"""Attackers, in a process of their own: ``python -m tests.security.attackers NAME PORT KEY``.

They hold on until their standard input ends, and say then how often they attacked.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from tests.endurance.wire import (
    CONTINUATION,
    GRAPHQL,
    PING,
    TEXT,
    ClosedError,
    Wire,
    initialisation,
    masked,
)

Attack = Callable[[int, str], Awaitable[None]]

#: Attackers of each kind at once. They know a good key: strangers get less far.
AT_ONCE = 4

MEGABYTE = 1024 * 1024
HUGE = 100 * MEGABYTE

_numbers = itertools.count()


# --- documents --------------------------------------------------------------------------------


def doubled_fragments(depth: int = 40) -> str:
    """Return a document of which a naive look at the fragments takes 2 ** depth steps."""
    fragments = [
        f"fragment F{each} on Viewer {{ ...F{each + 1} ...F{each + 1} }}" for each in range(depth)
    ]
    last = f"fragment F{depth} on Viewer {{ username }}"
    return " ".join(["{ viewer { ...F0 } }", *fragments, last])


def many_aliases() -> str:
    """Return a document that asks for the same again and again."""
    return f"{{ {' '.join(f'a{each}: viewer {{ username }}' for each in range(70))} }}"


def many_directives() -> str:
    """Return a document with a field that is included a hundred times."""
    return f"{{ viewer {{ username {' @include(if: true)' * 60} }} }}"


def circular_fragments() -> str:
    """Return a document with fragments that contain each other."""
    return (
        "{ viewer { ...A } } fragment A on Viewer { ...B ...B } "
        "fragment B on Viewer { ...C ...A } fragment C on Viewer { ...A ...B ...C }"
    )


def many_brackets() -> str:
    """Return a document that is as deep as it is long."""
    return "{" * 16_000


def _documents(make: Callable[[], str]) -> Attack:
    async def attack(port: int, key: str) -> None:
        wire = await _graphql(port, key)
        while True:
            number = next(_numbers)  # no two are alike, so that no cache knows them
            payload = {"query": f"# {number}\n{make()}"}
            wire.send({"id": str(number), "type": "subscribe", "payload": payload})
            while json.loads(await wire.receive())["type"] == "next":
                pass  # the end of an operation is `complete` or `error`
            _attacked()

    return attack


# --- frames -----------------------------------------------------------------------------------


async def brackets_as_json(port: int, key: str) -> None:
    """Send frames of 100,000 brackets, which end the socket."""
    wire = await _graphql(port, key)
    wire.write(masked(TEXT, b"[" * 100_000))
    await _until_closed(wire)


async def huge_frames(port: int, key: str) -> None:
    """Send a frame of 100 MB, to one door and then to the other."""
    for path, headers in (("/graphql/", GRAPHQL), ("/ws/topic", {})):
        wire = await Wire.connect(port)
        await wire.upgrade(path, Authorization=f"Bearer {key}", **headers)
        wire.write(masked(TEXT, b"")[:1] + b"\xff" + HUGE.to_bytes(8, "big") + bytes(4))
        with suppress(ConnectionError):
            for _ in range(HUGE // MEGABYTE):
                wire.write(b"x" * MEGABYTE)
                await wire.drain()
        await _until_closed(wire)


async def huge_messages(port: int, key: str) -> None:
    """Send as much in many frames, of which none is large."""
    wire = await _graphql(port, key)
    first, other = (_part(opcode, b"x" * MEGABYTE) for opcode in (TEXT, CONTINUATION))
    with suppress(ConnectionError):
        for number in range(HUGE // MEGABYTE):
            wire.write(other if number else first)
            await wire.drain()
    await _until_closed(wire)


async def flood_of_frames(port: int, key: str) -> None:
    """Begin and complete operations as fast as possible."""
    wire = await _graphql(port, key)
    query = 'subscription { messages(topic: "topic") { text } }'
    begin = {"id": "1", "type": "subscribe", "payload": {"query": query}}
    pair = b"".join(
        masked(TEXT, json.dumps(frame).encode())
        for frame in (begin, {"id": "1", "type": "complete"})
    )
    reading = asyncio.create_task(_until_closed(wire))
    try:
        while not reading.done():
            wire.write(pair * 100)
            await wire.drain()
            _attacked()
    finally:
        reading.cancel()


async def flood_of_tiny_frames(port: int, key: str) -> None:
    """Send ten thousand frames at once that need no answer, again and again."""
    await _flood(await _graphql(port, key), masked(TEXT, b'{"type":"pong"}') * 10_000)


async def message_of_nothing(port: int, key: str) -> None:
    """Send a message in any number of parts, of which each is empty."""
    wire = await _graphql(port, key)
    wire.write(_part(TEXT, b""))
    await _flood(wire, _part(CONTINUATION, b"") * 10_000)


async def message_in_crumbs(port: int, key: str) -> None:
    """Send a large message byte by byte."""
    wire = await _graphql(port, key)
    wire.write(_part(TEXT, b"x"))
    reading = asyncio.create_task(_until_closed(wire))
    await _flood(wire, _part(CONTINUATION, b"x") * 10_000, until=reading)


async def never_reads(port: int, key: str) -> None:
    """Ask without end, and take no answer."""
    await _flood(await _deaf(port, key), masked(TEXT, b'{"type":"ping"}') * 100)


async def never_reads_pongs(port: int, key: str) -> None:
    """Send pings of websockets without end, and take no pong."""
    await _flood(await _deaf(port, key), masked(PING, b"x" * 125) * 100)


async def _deaf(port: int, key: str) -> Wire:
    wire = await Wire.connect(port, receive_buffer=4096)
    await wire.upgrade_to_graphql(key)
    wire.stop_reading()
    return wire


async def _flood(wire: Wire, data: bytes, *, until: asyncio.Task[None] | None = None) -> None:
    while until is None or not until.done():
        wire.write(data)
        await wire.drain()
        _attacked()


def _part(opcode: int, data: bytes) -> bytes:
    """Return a frame that is not the last of its message."""
    frame = masked(opcode, data)
    return bytes([frame[0] & 0x7F]) + frame[1:]


async def never_begins(port: int, key: str) -> None:
    """Open sockets and say nothing."""
    wires = [await Wire.connect(port) for _ in range(50)]
    for wire in wires:
        await wire.upgrade("/graphql/", **GRAPHQL)
        _attacked()
    await asyncio.gather(*map(_until_closed, wires))


# --- requests ---------------------------------------------------------------------------------


async def slow_bodies(port: int, key: str) -> None:
    """Send requests byte by byte."""
    wires = [await Wire.connect(port) for _ in range(50)]
    for wire in wires:
        wire.write(_head(key, 10_000))
        _attacked()
    while True:
        for wire in wires:
            wire.write(b"x")
        await asyncio.sleep(0.1)


async def huge_bodies(port: int, key: str) -> None:
    """Send requests of 100 MB."""
    wire = await Wire.connect(port)
    wire.write(_head(key, HUGE))
    with suppress(ConnectionError):
        for _ in range(HUGE // MEGABYTE):
            wire.write(b"x" * MEGABYTE)
            await wire.drain()
    with suppress(OSError):
        wire.drop()


def _head(key: str, length: int) -> bytes:
    lines = [
        "POST /graphql/ HTTP/1.1",
        "Host: 127.0.0.1",
        "Content-Type: application/json",
        f"Authorization: Bearer {key}",
        f"Content-Length: {length}",
    ]
    return "\r\n".join([*lines, "", ""]).encode()


# --- all of them ------------------------------------------------------------------------------

ATTACKS: dict[str, Attack] = {
    **{
        make.__name__: _documents(make)
        for make in (
            doubled_fragments,
            many_aliases,
            many_directives,
            circular_fragments,
            many_brackets,
        )
    },
    **{
        attack.__name__: attack
        for attack in (
            brackets_as_json,
            huge_frames,
            huge_messages,
            flood_of_frames,
            flood_of_tiny_frames,
            message_of_nothing,
            message_in_crumbs,
            never_reads,
            never_reads_pongs,
            never_begins,
            slow_bodies,
            huge_bodies,
        )
    },
}

_made = 0


def _attacked() -> None:
    global _made  # noqa: PLW0603 - there is one of it in this process
    _made += 1


async def _graphql(port: int, key: str) -> Wire:
    wire = await Wire.connect(port)
    await wire.upgrade("/graphql/", **GRAPHQL)
    wire.send(initialisation(key))
    await wire.receive()
    return wire


async def _until_closed(wire: Wire) -> None:
    with suppress(ClosedError):
        while True:
            await wire.receive()
    with suppress(OSError):  # it is gone already
        wire.drop()


async def _again_and_again(attack: Attack, port: int, key: str) -> None:
    while True:
        with suppress(ConnectionError):
            await attack(port, key)
        _attacked()


async def main(name: str, port: str, key: str) -> None:
    """Attack until standard input ends."""
    tasks: list[asyncio.Task[Any]] = [
        asyncio.create_task(_again_and_again(ATTACKS[name], int(port), key)) for _ in range(AT_ONCE)
    ]
    await asyncio.to_thread(sys.stdin.read)
    for task in tasks:
        task.cancel()
    failed = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(each, asyncio.CancelledError) for each in failed), failed
    print(_made)  # noqa: T201 - this is what the test reads


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
