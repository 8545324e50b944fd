"""Sockets: how many there may be, how large their frames, and what a flood of frames comes to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from pytest_django import Settings

from dasf_broker import app_settings
from dasf_broker.models import BrokerTopic
from dasf_broker.transports.connection.limits import open_sockets
from dasf_broker.transports.websocket import dasf_protocol, graphql
from tests.doors.clients import key_of
from tests.doors.conftest import OpenSocket
from tests.doors.dasf.frames import ask, is_error, message, to
from tests.doors.sockets import ClosedError, Socket
from tests.doors.waiting import until

pytestmark = pytest.mark.django_db(transaction=True)

PONGS = 'subscription { pongs(topic: "topic") { pongedAt } }'

#: Opens a socket of one kind and says who it is: ``await open_("192.0.2.1", user)``.
Open = Callable[..., Awaitable[Socket]]


@pytest.fixture(autouse=True)
async def _none_is_left() -> AsyncIterator[None]:
    """See that no place stays taken."""
    yield
    await until(lambda: not open_sockets)


@pytest.fixture(params=["graphql", "dasf"])
def open_kind(request: pytest.FixtureRequest, open_socket: OpenSocket) -> Open:
    """Return a function that opens a socket of either kind."""

    async def graphql(address: str | None = None, user: User | None = None) -> Socket:
        socket: Socket = await open_socket(address=address)
        key = user and await key_of(user)
        await socket.initialise({"Authorization": f"Bearer {key}"} if key else None)
        return socket

    async def dasf(address: str | None = None, user: User | None = None) -> Socket:
        socket: Socket = await open_socket(address=address, **await to("topic", user))
        assert is_error(await ask(socket, {"messageId": "none"}))
        return socket

    return {"graphql": graphql, "dasf": dasf}[request.param]


async def test_sockets_of_an_address(
    open_kind: Open, topic: BrokerTopic, producer: User, settings: Settings
) -> None:
    """One too many is refused, whoever it is; others come in, and so does who makes room."""
    settings.DASF_MAX_SOCKETS_PER_ADDRESS = 2
    first = await open_kind("2001:db8::1", producer)
    await open_kind("2001:db8::2")
    assert await _code(open_kind, "2001:db8::3", producer) == 1013
    await open_kind("2001:db8:0:1::1")
    await first.close()
    await open_kind("2001:db8::3", producer)


async def test_sockets_of_a_user(
    open_kind: Open, topic: BrokerTopic, producer: User, consumer: User, settings: Settings
) -> None:
    """They count wherever they come from."""
    settings.DASF_MAX_SOCKETS_PER_USER = 1
    first = await open_kind("192.0.2.1", producer)
    assert await _code(open_kind, "192.0.2.2", producer) == 1013
    await open_kind("192.0.2.1", consumer)
    await open_kind("192.0.2.1")
    await first.close()
    await open_kind("192.0.2.2", producer)


async def test_no_limits(open_kind: Open, topic: BrokerTopic, settings: Settings) -> None:
    """Nought is for any number."""
    for name in ("PER_USER", "PER_ADDRESS"):
        setattr(settings, f"DASF_MAX_SOCKETS_{name}", 0)
    settings.DASF_MAX_UNAUTHENTICATED_SOCKETS = settings.DASF_MAX_UNIDENTIFIED_SOCKETS = 0
    for _ in range(3):
        await open_kind("192.0.2.1")


@pytest.mark.parametrize("path", ["/graphql/", "/ws/topic"])
async def test_who_is_refused_costs_nothing(
    open_socket: OpenSocket, settings: Settings, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    """The database is not asked who it is."""

    async def never(*_: Any, **__: Any) -> None:
        raise AssertionError

    monkeypatch.setattr(graphql, "identify_socket", never)
    monkeypatch.setattr(dasf_protocol, "identify_socket", never)
    settings.DASF_MAX_SOCKETS_PER_ADDRESS = 1
    await open_socket(address="192.0.2.1")
    with pytest.raises(ClosedError) as closed:
        await (await open_socket(address="192.0.2.1", path=path)).receive()
    assert closed.value.code == 1013


async def test_large_frames_of_graphql(enter: OpenSocket, settings: Settings) -> None:
    """A frame that is too large is not read, and ends the socket."""
    settings.DASF_MAX_FRAME_SIZE = 1000
    socket = await enter()
    await socket.send({"type": "ping", "payload": {"a": "x" * 900}})
    assert await socket.receive() == {"type": "pong"}
    await socket.send_text("x" * 1001)
    with pytest.raises(ClosedError) as closed:
        await socket.receive()
    assert closed.value.code == 1009


async def test_large_introduction(open_socket: OpenSocket) -> None:
    """Who is nobody yet has no large frames to send."""
    socket = await open_socket()
    await socket.send({"type": "connection_init", "payload": {"a": "x" * 64 * 1024}})
    with pytest.raises(ClosedError) as closed:
        await socket.receive()
    assert closed.value.code == 1009


async def test_large_frames_of_dasf(
    open_socket: OpenSocket, topic: BrokerTopic, producer: User, settings: Settings
) -> None:
    """There it is a refusal like others: the clients know no codes."""
    settings.DASF_MAX_FRAME_SIZE = 1000
    socket = await open_socket(**await to("topic", producer))
    assert is_error(await ask(socket, message("x" * 1000)))
    assert (await ask(socket, message()))["result"] == "ok"


@pytest.mark.parametrize("origin", ["http://[", "http://[::1", "//", "http://", "\xff"])
@pytest.mark.parametrize("path", ["/graphql/", "/ws/topic"])
async def test_mad_origins(open_socket: OpenSocket, path: str, origin: str) -> None:
    """What is no origin is not ours, at either door."""
    socket = await open_socket(path=path, headers={"origin": origin})
    with pytest.raises(ClosedError) as closed:
        await socket.receive()
    assert closed.value.code == 4403


@pytest.mark.parametrize("key", ["\\000" * 8, "\\377" * 8, "x" * 5000])
@pytest.mark.parametrize("path", ["/graphql/", "/ws/topic"])
async def test_mad_sessions(
    open_socket: OpenSocket, topic: BrokerTopic, path: str, key: str
) -> None:
    """A cookie in quotes may have any character, which databases do not take."""
    headers = {"origin": "http://testserver", "cookie": f'sessionid="{key}"'}
    socket = await open_socket(path=path, headers=headers)
    frame = {"type": "connection_init"} if path == "/graphql/" else {"messageId": "none"}
    answer = await ask(socket, frame)
    assert answer == {"type": "connection_ack"} or is_error(answer)


def test_time_for_an_introduction() -> None:
    """Strawberry's own is a minute, which is long for sockets of nobody."""
    assert app_settings.DASF_CONNECTION_INIT_TIMEOUT == 5.0


# --- floods -----------------------------------------------------------------------------------


async def test_other_sockets_have_their_turn(enter: OpenSocket) -> None:
    """Frames that are there at once are not dealt with at once."""
    socket = await enter()
    count = 5000
    for _ in range(count):
        await socket.send_text('{"type":"pong"}')
    await socket.send({"type": "ping"})
    turns = _Turns()
    async with turns:
        assert await socket.receive() == {"type": "pong"}
    assert turns.count >= count // graphql.FRAMES_PER_TURN


@pytest.mark.parametrize("completes", [True, False])
async def test_flood_of_operations(
    enter: OpenSocket, topic: BrokerTopic, consumer: User, settings: Settings, completes: bool
) -> None:
    """However many are begun, and completed at once, few exist."""
    settings.DASF_MAX_OPERATIONS_PER_SOCKET = 10
    socket = await enter(consumer)
    before = len(asyncio.all_tasks())
    turns = _Turns()
    for number in range(1000):
        await socket.subscribe(PONGS, id_=str(number))
        if completes:
            await socket.send({"type": "complete", "id": str(number)})
    await socket.send({"type": "ping"})
    refused = 0
    async with turns:
        while (frame := await socket.receive())["type"] != "pong":
            [error] = frame["payload"]
            assert error["extensions"] == {"code": "RATE_LIMITED", "retryAfter": 1, "limit": 10}
            refused += 1
    # Beside the operations: the driver's own, those that read for all, and the watch on turns.
    assert turns.most_tasks - before <= 10 + 10
    assert refused == (0 if completes else 990)


class _Turns:
    """Counts the turns of the event loop, and the tasks in it."""

    def __init__(self) -> None:
        self.count = 0
        self.most_tasks = 0

    async def __aenter__(self) -> None:
        self._task = asyncio.create_task(self._run())

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(0)
            self.count += 1
            self.most_tasks = max(self.most_tasks, len(asyncio.all_tasks()))


async def _code(open_kind: Open, *who: Any) -> int:
    with pytest.raises(ClosedError) as closed:
        await open_kind(*who)
    return closed.value.code
