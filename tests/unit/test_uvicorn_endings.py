"""How our protocol for uvicorn ends connections by itself: with a close frame, or without one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from websockets.frames import Close, Frame, Opcode

from dasf_broker.transports.connection.close_codes import DROP
from dasf_broker.transports.uvicorn import text_frame
from tests.doors.waiting import until
from tests.endurance.wire import TEXT, masked
from tests.unit.test_uvicorn_protocol import Peer, connected


def _accepting(*, drops: bool) -> Callable[[Any, Any], Awaitable[None]]:
    """Return an application's work: it answers each message, slowly, until the end."""

    async def work(receive: Any, send: Any) -> None:
        while (message := await receive())["type"] == "websocket.receive":
            await asyncio.sleep(0.01)
            await send({"type": "websocket.send", "text": message["text"].upper()})

    work.accept = {DROP: drops}  # type: ignore[attr-defined]
    return work


def _close_frame(code: int) -> bytes:
    return Frame(Opcode.CLOSE, Close(code, "").serialize()).serialize(mask=False)


async def _until_open(peer: Peer) -> None:
    await until(peer.network.written.copy)


async def test_a_server_that_ends_says_so() -> None:
    """A client that can read the close frame gets it at once."""
    async with connected(_accepting(drops=False)) as peer:
        await _until_open(peer)
        peer.protocol.shutdown()
        assert peer.network.is_closing()
        assert peer.frames() == _close_frame(1012)


async def test_a_server_that_ends_without_a_close_frame() -> None:
    """What the client sent before is answered; then the connection ends."""
    async with connected(_accepting(drops=True)) as peer:
        await _until_open(peer)
        for text in (b"a", b"b", b"c"):
            peer.protocol.data_received(masked(TEXT, text))
        peer.protocol.shutdown()
        assert not peer.network.is_closing()
        await until(peer.network.is_closing)
        assert peer.frames() == b"".join(map(text_frame, "ABC"))


async def test_a_server_that_ends_after_the_application_closed() -> None:
    """The application's own close frame is the only one."""

    async def work(_: Any, send: Any) -> None:
        await send({"type": "websocket.close", "code": 4401})

    work.accept = {DROP: True}  # type: ignore[attr-defined]
    async with connected(work) as peer:
        await until(lambda: peer.protocol.close_sent)
        peer.protocol.shutdown()
        assert peer.network.is_closing()
        assert peer.frames() == _close_frame(4401)


@pytest.mark.parametrize("drops", [True, False])
async def test_a_client_that_answers_no_ping(*, drops: bool) -> None:
    """It may only have been busy: with a close frame, some would never come back."""
    async with connected(_accepting(drops=drops)) as peer:
        await _until_open(peer)
        peer.protocol.keepalive_timeout()
        assert peer.network.is_closing()
        assert (peer.frames() == b"") is drops
