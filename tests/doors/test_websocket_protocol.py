"""The `graphql-transport-ws` protocol: what closes a socket, and what does not."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pytest_django import Settings

from tests.doors.conftest import OpenSocket
from tests.doors.sockets import PROTOCOL, ClosedError

pytestmark = pytest.mark.django_db(transaction=True)

VIEWER = "{ viewer { username } }"


def _frame(**frame: Any) -> str:
    return json.dumps(frame)


@pytest.mark.parametrize("offered", [(), ("graphql-ws",), ("graphql-transport-ws2", "x")], ids=str)
async def test_other_subprotocols(open_socket: OpenSocket, offered: tuple[str, ...]) -> None:
    """Only one protocol is spoken; the older one let callers in unchecked."""
    socket = await open_socket(subprotocols=offered)
    assert socket.subprotocol is None
    assert await _code(socket) == 4406


async def test_subprotocol_is_chosen(open_socket: OpenSocket) -> None:
    """Among several the one that is spoken is chosen."""
    socket = await open_socket(subprotocols=("graphql-ws", PROTOCOL))
    assert socket.subprotocol == PROTOCOL
    await socket.initialise()


@pytest.mark.parametrize("path", ["/", "/graphql", "/graphql/x", "/nothing/", "/ws/"])
async def test_unknown_path_is_refused(open_socket: OpenSocket, path: str) -> None:
    """Where there is nothing, the handshake is refused."""
    with pytest.raises(ClosedError):
        await open_socket(path=path)


async def test_silence_is_closed(open_socket: OpenSocket, settings: Settings) -> None:
    """Who does not introduce themselves in time is dropped."""
    settings.DASF_CONNECTION_INIT_TIMEOUT = 0.05
    assert await _code(await open_socket()) == 4408


async def test_pings_do_not_replace_the_introduction(
    open_socket: OpenSocket, settings: Settings
) -> None:
    """Whatever else they send."""
    settings.DASF_CONNECTION_INIT_TIMEOUT = 0.5
    socket = await open_socket()
    await socket.send({"type": "ping"})
    assert await socket.receive() == {"type": "pong"}
    assert await _code(socket) == 4408


async def test_time_to_introduce_oneself_ends(open_socket: OpenSocket, settings: Settings) -> None:
    """Who introduced themselves may be silent as long as they like."""
    settings.DASF_CONNECTION_INIT_TIMEOUT = 0.5
    socket = await open_socket()
    await socket.initialise()
    assert await socket.hears_nothing(0.6)
    await socket.send({"type": "ping"})
    assert await socket.receive() == {"type": "pong"}


async def test_second_introduction(enter: OpenSocket) -> None:
    """One introduces oneself once."""
    socket = await enter()
    await socket.send({"type": "connection_init"})
    assert await _code(socket) == 4429


async def test_operation_before_introduction(open_socket: OpenSocket) -> None:
    """An operation needs somebody who asks."""
    socket = await open_socket()
    await socket.subscribe(VIEWER)
    assert await _code(socket) == 4401


@pytest.mark.parametrize(
    "payload",
    [
        {"Authorization": "Bearer wrong"},
        {"authorization": "Token wrong"},
        {"AUTHORIZATION": "wrong"},
        {"authorization": ""},
        {"authorization": 1},
        {"authorization": ["Bearer x"]},
        {"authorization": "Bearer nul\0"},
        {"authorization": "Bearer dasf_nul\0_x"},
        {"authorization": "Bearer half\ud800"},
    ],
    ids=ascii,
)
async def test_wrong_credential(open_socket: OpenSocket, payload: dict[str, Any]) -> None:
    """A credential that is wrong lets nobody in."""
    socket = await open_socket()
    await socket.send({"type": "connection_init", "payload": payload})
    assert await _code(socket) == 4401


async def test_id_that_is_taken(enter: OpenSocket, topic: object, superuser: Any) -> None:
    """An id names one running operation."""
    socket = await enter(superuser)
    for _ in range(2):
        await socket.subscribe('subscription { pings(topic: "topic") { pingedAt } }')
    assert await _code(socket) == 4409


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "nonsense",
        "[]",
        '"x"',
        "1",
        "null",
        "[" * 100_000,
        _frame(),
        _frame(id="1"),
        _frame(type=None),
        _frame(type=1),
        _frame(type=["ping"]),
        _frame(type="unknown"),
        _frame(type="start", id="1", payload={"query": VIEWER}),
        _frame(type="next", id="1", payload={}),
        _frame(type="subscribe", payload={"query": VIEWER}),
        _frame(type="subscribe", id="", payload={"query": VIEWER}),
        _frame(type="subscribe", id=1, payload={"query": VIEWER}),
        _frame(type="subscribe", id=["1"], payload={"query": VIEWER}),
        _frame(type="subscribe", id={"a": 1}, payload={"query": VIEWER}),
        _frame(type="subscribe", id=None, payload={"query": VIEWER}),
        _frame(type="subscribe", id="1"),
        _frame(type="subscribe", id="1", payload=None),
        _frame(type="subscribe", id="1", payload=[VIEWER]),
        _frame(type="subscribe", id="1", payload=VIEWER),
        _frame(type="subscribe", id="1", payload={}),
        _frame(type="subscribe", id="1", payload={"query": None}),
        _frame(type="subscribe", id="1", payload={"query": [VIEWER]}),
        _frame(type="subscribe", id="1", payload={"query": ""}),
        _frame(type="subscribe", id="1", payload={"query": VIEWER, "variables": []}),
        _frame(type="subscribe", id="1", payload={"query": VIEWER, "operationName": 1}),
        _frame(type="subscribe", id="1", payload={"query": VIEWER, "extensions": "x"}),
        _frame(type="complete"),
        _frame(type="complete", id=["1"]),
    ],
    ids=lambda text: ascii(text)[:60],
)
async def test_malformed_frame(enter: OpenSocket, text: str) -> None:
    """A frame that means nothing closes the socket; it is never left open and deaf."""
    socket = await enter()
    await socket.send_text(text)
    assert await _code(socket) == 4400


@pytest.mark.parametrize("payload", [[], "x", 1, True], ids=repr)
async def test_malformed_introduction(open_socket: OpenSocket, payload: Any) -> None:
    """So does an introduction whose payload is no object."""
    socket = await open_socket()
    await socket.send({"type": "connection_init", "payload": payload})
    assert await _code(socket) == 4400


async def test_binary_frame(enter: OpenSocket) -> None:
    """The protocol speaks text."""
    socket = await enter()
    await socket.send_bytes(b'{"type": "ping"}')
    assert await _code(socket) == 4400


async def test_ping_and_pong(enter: OpenSocket) -> None:
    """A ping is answered at once; a pong needs no answer."""
    socket = await enter()
    await socket.send({"type": "pong", "payload": {}})
    await socket.send({"type": "ping", "payload": {"any": "thing"}})
    assert await socket.receive() == {"type": "pong"}


async def test_reason_fits_into_the_frame(enter: OpenSocket) -> None:
    """A reason has at most 123 bytes, whatever the client sent."""
    socket = await enter()
    await socket.send({"type": "ü" * 200})
    with pytest.raises(ClosedError) as closed:
        await socket.receive()
    assert len(closed.value.reason.encode()) <= 123


async def _code(socket: Any) -> int:
    with pytest.raises(ClosedError) as closed:
        await socket.receive()
    return closed.value.code
