"""Places for sockets: strangers who hold all of theirs lock out nobody with a credential."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from pytest_django import Settings

from dasf_broker.models import BrokerTopic
from dasf_broker.transports.connection.close_codes import CloseCode
from dasf_broker.transports.connection.limits import RETRY_AFTER, open_sockets
from testproject.asgi import application
from tests.doors.clients import key_of
from tests.doors.conftest import OpenSocket, OpenStream
from tests.doors.dasf.frames import ask, message, to
from tests.doors.event_streams import EventStream
from tests.doors.sockets import ClosedError, RefusedError, Socket
from tests.doors.waiting import until

pytestmark = pytest.mark.django_db(transaction=True)

#: The codes of the protocol of websockets after which graphql-ws, on which Apollo and urql rely,
#: connects again.
NOT_FATAL = {1001, 1005, 1006, 1012, 1013, 1014}

AVAILABILITY = 'subscription { availability(topic: "topic") { status } }'

#: Opens a socket of one kind as a user or as nobody.
Open = Callable[..., Awaitable[Any]]


@pytest.fixture(autouse=True)
async def _none_is_left() -> AsyncIterator[None]:
    """See that no place stays taken."""
    yield
    await until(lambda: not open_sockets)


@pytest.fixture
def open_graphql(open_socket: OpenSocket) -> Open:
    """Return a function that opens a GraphQL socket and says who it is."""

    async def open_(user: User | None = None, address: str | None = None) -> Socket:
        socket: Socket = await open_socket(address=address)
        key = user and await key_of(user)
        await socket.initialise({"Authorization": f"Bearer {key}"} if key else None)
        return socket

    return open_


@pytest.fixture
def open_dasf(open_socket: OpenSocket) -> Open:
    """Return a function that opens a DASF socket."""

    async def open_(user: User | None = None, address: str | None = None) -> Socket:
        socket: Socket = await open_socket(address=address, **await to("topic", user))
        await ask(socket, {"messageId": "none"})
        return socket

    return open_


@pytest.fixture
def open_events(open_stream: OpenStream) -> Open:
    """Return a function that opens a stream of events."""

    async def open_(user: User | None = None, address: str | None = None) -> EventStream:
        stream: EventStream = await open_stream(AVAILABILITY, as_=user)
        assert stream.status == 200
        return stream

    return open_


@pytest.fixture(params=["open_graphql", "open_dasf", "open_events"])
def open_kind(request: pytest.FixtureRequest) -> Open:
    """Return a function that opens a connection of each kind in turn."""
    opened: Open = request.getfixturevalue(request.param)
    return opened


@pytest.mark.parametrize("count", [1, 2, 5])
async def test_anonymous_sockets_lock_out_nobody_with_a_token(
    open_kind: Open,
    open_graphql: Open,
    topic: BrokerTopic,
    consumer: User,
    settings: Settings,
    count: int,
) -> None:
    """All places of strangers are taken, and whoever has a good token is let in."""
    settings.DASF_MAX_UNAUTHENTICATED_SOCKETS = count
    for _ in range(count):
        await open_graphql()
    for _ in range(3):
        await open_kind(consumer)
    assert open_sockets["anonymous",] == count


@pytest.mark.parametrize("kind", ["open_graphql", "open_dasf"])
async def test_one_stranger_too_many_comes_back(
    request: pytest.FixtureRequest,
    open_graphql: Open,
    topic: BrokerTopic,
    settings: Settings,
    kind: str,
) -> None:
    """A standard client tries again after the code with which it is refused."""
    opened: Open = request.getfixturevalue(kind)
    settings.DASF_MAX_UNAUTHENTICATED_SOCKETS = 1
    first = await open_graphql()
    with pytest.raises(ClosedError) as closed:
        await opened()
    assert closed.value.code in NOT_FATAL
    assert _is_retried(closed.value.code)
    await first.close()
    await opened()


async def test_one_stream_too_many_is_told_when_to_come_back(
    open_graphql: Open, open_stream: OpenStream, topic: BrokerTopic, settings: Settings
) -> None:
    """Over HTTP there is a status for it."""
    settings.DASF_MAX_UNAUTHENTICATED_SOCKETS = 1
    await open_graphql()
    stream = await open_stream(AVAILABILITY)
    assert (stream.status, stream.headers["retry-after"]) == (503, str(RETRY_AFTER))


@pytest.mark.parametrize("limit", [2, 3, 6])
async def test_one_address_cannot_hold_the_reserve(
    open_socket: OpenSocket,
    open_graphql: Open,
    topic: BrokerTopic,
    consumer: User,
    settings: Settings,
    limit: int,
) -> None:
    """One that opens sockets and says nothing gets half of the places."""
    settings.DASF_MAX_UNIDENTIFIED_SOCKETS = limit
    silent = [await open_socket(address="192.0.2.1") for _ in range(limit)]
    codes = [await _code(each) for each in silent[(limit + 1) // 2 :]]
    assert codes == [1013] * (limit // 2)
    await open_graphql(consumer, "192.0.2.2")
    assert open_sockets["unidentified", "192.0.2.1"] == (limit + 1) // 2


async def test_the_reserve_is_bounded(
    open_socket: OpenSocket, consumer: User, settings: Settings
) -> None:
    """Also where each socket comes from somewhere else; places become free by themselves."""
    settings.DASF_MAX_UNIDENTIFIED_SOCKETS = 4
    settings.DASF_CONNECTION_INIT_TIMEOUT = 0.3
    for number in range(4):
        await open_socket(address=f"192.0.2.{number}")
    assert await _code(await open_socket(address="192.0.2.9")) == 1013
    await until(lambda: not open_sockets)
    socket: Socket = await open_socket(address="192.0.2.9")
    await socket.initialise({"Authorization": f"Bearer {await key_of(consumer)}"})


async def test_chatter_prolongs_no_introduction(
    open_socket: OpenSocket, settings: Settings
) -> None:
    """A socket that sends anything but who it is keeps its place no longer."""
    settings.DASF_CONNECTION_INIT_TIMEOUT = 0.3
    socket: Socket = await open_socket()

    async def chatter() -> None:
        while True:
            await socket.send({"type": "ping"})
            await socket.receive()
            await asyncio.sleep(0.02)

    with pytest.raises(ClosedError) as closed:
        await chatter()
    assert closed.value.code == 4408
    assert _is_retried(closed.value.code)


async def test_wrong_tokens_hold_places_of_strangers(
    open_socket: OpenSocket, topic: BrokerTopic, producer: User, settings: Settings
) -> None:
    """A DASF socket whose token is wrong stays open, and counts like one without."""
    settings.DASF_MAX_UNAUTHENTICATED_SOCKETS = 2
    for _ in range(2):
        socket = await open_socket(**await to("topic", authorization="Token wrong"))
        assert "wrong" in (await ask(socket, message()))["result"]
    assert open_sockets == {("anonymous",): 2}
    good = await open_socket(**await to("topic", producer))
    assert (await ask(good, message()))["result"] == "ok"


async def test_refused_handshake_of_dasf(topic: BrokerTopic, settings: Settings) -> None:
    """The reference client stays away after a close frame, and comes back after a refusal."""
    settings.DASF_MAX_SOCKETS_PER_ADDRESS = 1
    first = Socket(application, address="192.0.2.1", **await to("topic"))
    await first.open()
    second = Socket(application, address="192.0.2.1", **await to("topic"))
    second._scope["extensions"] = {"websocket.http.response": {}}
    with pytest.raises(RefusedError) as refused:
        await second.open()
    start = refused.value.event
    assert (start["type"], start["status"]) == ("websocket.http.response.start", 503)
    assert (b"retry-after", str(RETRY_AFTER).encode()) in start["headers"]
    await second.close()
    await first.close()


def _is_retried(code: int) -> bool:
    return next(each for each in CloseCode if each == code).retry


async def _code(socket: Socket) -> int:
    with pytest.raises(ClosedError) as closed:
        await socket.receive()
    return closed.value.code
