"""Our websocket protocol for uvicorn: its own, with fewer writes and a turn for everybody."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings
from uvicorn.config import Config
from uvicorn.server import ServerState
from websockets.frames import Frame, Opcode

from dasf_broker.transports.uvicorn import JOINED, SLICE, WebSocketProtocol, text_frame
from tests.doors.waiting import until
from tests.endurance.wire import CONTINUATION, PING, TEXT, masked, request

MEGABYTE = 1024 * 1024


class Network(asyncio.Transport):
    """A client's side of a connection: what was written to it, and whether it is read."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.is_open = self.is_read = True

    def write(self, data: Any) -> None:
        """Take what is written."""
        assert self.is_open
        self.written.append(bytes(data))

    def get_write_buffer_size(self) -> int:
        """Return that everything was taken."""
        return 0

    def close(self) -> None:
        """Note the end."""
        self.is_open = False

    def abort(self) -> None:
        """Note the end, in which nothing more is written."""
        self.is_open = False

    def is_closing(self) -> bool:
        """Tell whether it has ended."""
        return not self.is_open

    def pause_reading(self) -> None:
        """Note that nothing is read."""
        self.is_read = False

    def resume_reading(self) -> None:
        """Note that it is read again."""
        self.is_read = True


class Peer:
    """A client of an application that notes what it gets."""

    def __init__(self, work: Callable[[Any, Any], Awaitable[None]] | None = None) -> None:
        self.network = Network()
        self.received: list[Any] = []
        self._work = work or self._note_all
        config = Config(
            self._application,
            interface="asgi3",
            lifespan="off",
            log_level="error",
            ws_per_message_deflate=False,
            ws_max_size=4 * MEGABYTE,
            ws_ping_interval=None,
        )
        config.load()
        self.protocol = WebSocketProtocol(config, ServerState(), {})
        self.protocol.connection_made(self.network)

    def frames(self) -> bytes:
        """Return what was written behind the answer to the handshake."""
        return b"".join(self.network.written).partition(b"\r\n\r\n")[2]

    async def hang_up(self) -> None:
        """Be gone."""
        self.protocol.connection_lost(None)
        await until(lambda: not self.protocol.tasks)

    async def send(self, *frames: bytes, size: int = 256 * 1024) -> None:
        """Send, in segments of this size, as fast as they are read."""
        data = b"".join(frames)
        for start in range(0, len(data), size):
            await until(lambda: self.network.is_read or not self.network.is_open)
            if self.network.is_open:
                self.protocol.data_received(data[start : start + size])

    async def _application(self, _: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept", **getattr(self._work, "accept", {})})
        await self._work(receive, send)

    async def _note_all(self, receive: Any, _: Any) -> None:
        while (message := await receive())["type"] == "websocket.receive":
            text = message.get("text")
            self.received.append(message["bytes"] if text is None else text)


@asynccontextmanager
async def connected(
    work: Callable[[Any, Any], Awaitable[None]] | None = None,
) -> AsyncIterator[Peer]:
    """Be a websocket as long as the context lasts."""
    peer = Peer(work)
    peer.protocol.data_received(request("/"))
    yield peer
    await peer.hang_up()


def _part(opcode: int, data: bytes) -> bytes:
    frame = masked(opcode, data)
    return bytes([frame[0] & 0x7F]) + frame[1:]


# --- writing ----------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536, 100_000])
def test_text_frame(size: int) -> None:
    """It is what the websockets library makes."""
    text = "ü" * (size // 2) + "x" * (size % 2)
    assert text_frame(text) == Frame(Opcode.TEXT, text.encode()).serialize(mask=False)


async def test_what_is_sent_at_once_is_written_at_once() -> None:
    """In order, behind the answer to the handshake, and before the end."""
    texts = [str(number) for number in range(100)]

    async def work(_: Any, send: Any) -> None:
        for text in texts:
            await send({"type": "websocket.send", "text": text})

    async with connected(work) as peer:
        await until(peer.network.is_closing)
        [written] = peer.network.written
        assert written.partition(b"\r\n\r\n")[2] == b"".join(map(text_frame, texts))


async def test_much_is_written_in_pieces() -> None:
    """What waits to be joined is bounded."""
    text = "x" * (JOINED // 4)

    async def work(_: Any, send: Any) -> None:
        for _ in range(100):
            await send({"type": "websocket.send", "text": text})

    async with connected(work) as peer:
        await until(peer.network.is_closing)
        assert peer.frames() == text_frame(text) * 100
        assert max(map(len, peer.network.written)) < 2 * JOINED


async def test_what_waits_counts_as_buffered() -> None:
    """Or a client that takes nothing would not be noticed."""
    async with connected() as peer:
        await until(peer.network.written.copy)
        await peer.protocol.send({"type": "websocket.send", "text": "x" * 1000})
        assert peer.protocol.transport.get_write_buffer_size() > 1000


# --- reading ----------------------------------------------------------------------------------

MESSAGES = st.one_of(st.text(max_size=6000), st.binary(max_size=6000))


@given(
    messages=st.lists(st.tuples(MESSAGES, st.integers(1, 3000)), max_size=8),
    size=st.integers(100, 20_000),
)
async def test_messages_come_as_they_were_sent(
    messages: list[tuple[str | bytes, int]], size: int
) -> None:
    """However they are cut into frames, and those into segments."""
    frames: list[bytes] = []
    for message, step in messages:
        data = message.encode() if isinstance(message, str) else message
        *parts, last = [data[start : start + step] for start in range(0, len(data), step)] or [b""]
        opcodes = [TEXT if isinstance(message, str) else Opcode.BINARY]
        opcodes += [CONTINUATION] * len(parts)
        frames += [_part(*each) for each in zip(opcodes, parts, strict=False)]
        frames.append(masked(opcodes[-1], last))
    wanted = [message for message, _ in messages]
    async with connected() as peer:
        await peer.send(*frames, size=size)
        await until(lambda: len(peer.received) >= len(wanted))
        assert peer.received == wanted
        assert [type(each) for each in peer.received] == [type(each) for each in wanted]


async def test_everybody_has_a_turn() -> None:
    """What one client sent at once is not parsed at once; another's comes between."""
    async with connected() as flooding, connected() as other:
        flooding.protocol.data_received(masked(Opcode.PONG, b"") * 40_000)
        assert not flooding.network.is_read
        other.protocol.data_received(masked(TEXT, b"hello"))
        while not other.received:
            assert not flooding.network.is_read
            await asyncio.sleep(0)
        await until(lambda: flooding.network.is_read)


async def test_nothing_is_parsed_that_the_application_has_no_time_for() -> None:
    """Only what came in the same slice waits in its queue."""
    begun, may_go_on = asyncio.Event(), asyncio.Event()

    async def work(receive: Any, send: Any) -> None:
        await receive()
        begun.set()
        await may_go_on.wait()
        for _ in range(9_999):
            await receive()
        await send({"type": "websocket.send", "text": "done"})

    async with connected(work) as peer:
        frame = masked(TEXT, b"x")
        await peer.send(frame * 10_000)
        await begun.wait()
        for _ in range(100):
            await asyncio.sleep(0)
        assert peer.protocol.queue.qsize() <= 2 * SLICE // len(frame)
        may_go_on.set()
        await until(peer.frames)
        assert peer.frames() == text_frame("done")
        assert peer.network.is_read


# --- what clients could make us keep ----------------------------------------------------------


async def test_pongs_that_nobody_takes() -> None:
    """Only the newest waits."""
    async with connected() as peer:
        await until(peer.network.written.copy)
        peer.protocol.pause_writing()
        await peer.send(*(masked(PING, str(number).encode()) for number in range(1000)))
        await until(lambda: peer.network.is_read)
        assert peer.frames() == b""
        peer.protocol.resume_writing()
        await until(peer.frames)
        assert peer.frames() == Frame(Opcode.PONG, b"999").serialize(mask=False)


@pytest.mark.parametrize("crumb", [b"", b"x"])
async def test_message_in_crumbs(crumb: bytes) -> None:
    """It takes what it weighs."""
    async with connected() as peer:
        await peer.send(_part(TEXT, b"begin"), *[_part(CONTINUATION, crumb)] * 20_000)
        await until(lambda: peer.network.is_read)
        assert len(peer.protocol.frames) == 1
        await peer.send(masked(CONTINUATION, b"end"))
        await until(lambda: peer.received)
        assert peer.received == ["begin" + crumb.decode() * 20_000 + "end"]


async def test_who_sends_too_much_leaves_nothing_behind() -> None:
    """Their frames are free at once, and not when somebody looks for garbage."""
    frames = [_part(opcode, b"x" * MEGABYTE) for opcode in (TEXT, *[CONTINUATION] * 4)]
    gc.disable()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(5):
            async with connected() as peer:
                await peer.send(*frames)
                await until(peer.network.is_closing)
            del peer
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        gc.enable()
    assert after - before < MEGABYTE


@pytest.mark.parametrize("sent", range(1, 40, 3))
@pytest.mark.parametrize("in_parts", [True, False])
async def test_message_that_does_not_end(settings: Settings, sent: int, *, in_parts: bool) -> None:
    """However far a message came, and however it is framed: it ends in time, or the socket does."""
    settings.DASF_BODY_TIMEOUT = 0.1
    parts = _part(TEXT, b"x" * 8) + _part(CONTINUATION, b"x" * 8) * 2
    data = parts if in_parts else masked(TEXT, b"x" * 40)
    async with connected() as peer:
        await peer.send(data[:sent])
        await until(peer.network.is_closing)
    assert not peer.received


async def test_message_that_takes_its_time(settings: Settings) -> None:
    """Each message has the time for itself, and silence between two of them is no message."""
    settings.DASF_BODY_TIMEOUT = 0.3
    data = masked(TEXT, b"x" * 100) * 5
    async with connected() as peer:
        for start in range(0, len(data), 20):
            await peer.send(data[start : start + 20])
            await asyncio.sleep(0.03)
        await asyncio.sleep(0.4)
        assert not peer.network.is_closing()
        assert peer.received == ["x" * 100] * 5


async def test_busy_application_is_no_late_client(settings: Settings) -> None:
    """What was sent and waits for the application is not late."""
    settings.DASF_BODY_TIMEOUT = 0.05
    go_on, received = asyncio.Event(), list[str]()

    async def work(receive: Any, _: Any) -> None:
        await go_on.wait()
        while (message := await receive())["type"] == "websocket.receive":
            received.append(message["text"])

    async with connected(work) as peer:
        peer.protocol.data_received(masked(TEXT, b"x" * 3 * SLICE) * 2)
        await asyncio.sleep(0.3)
        assert not peer.network.is_closing()
        go_on.set()
        await until(lambda: len(received) == 2)
