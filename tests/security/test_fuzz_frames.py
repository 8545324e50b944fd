"""Any frame is answered or closes the socket within a second, and leaves nothing behind.

Of the frames of an example each is followed by a probe, whose answer shows that the socket is
neither deaf nor closed without a word.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Iterator
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dasf_broker.models import BrokerTopic
from dasf_broker.permissions import Right, grant
from dasf_broker.runtime import current
from dasf_broker.transports.connection.limits import open_sockets
from testproject.asgi import application
from tests.doors.clients import key_of
from tests.doors.dasf.frames import to
from tests.doors.sockets import DEADLINE, ClosedError, Socket
from tests.doors.waiting import until
from tests.security.frames import dasf_frames, graphql_frames

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]

#: The promise, in seconds: of work, since among so many frames a busy machine stops for longer.
PROMISED = 1.0

#: Frames of an example, and examples of a door. `make test-slow` takes ten times as many.
FRAMES, EXAMPLES = 50, 20

#: The sockets of DASF.
PATHS = ["topic", "topic/consumer", "status-ping"]

#: Closing is an answer, too; but a frame never makes the broker fail (1011).
FINE = {1009, 4400, 4401, 4403, 4409, 4429}

Open = Callable[[], Coroutine[Any, Any, Socket]]
Probe = Callable[[Socket], Coroutine[Any, Any, None]]


@pytest.fixture
def key(topic: BrokerTopic, consumer: User) -> str:
    """Return the key of somebody who may do everything with the topic."""
    grant(consumer, topic, Right.PRODUCE)
    return str(asyncio.run(_with_hub(key_of(consumer))))


@pytest.fixture(autouse=True)
def no_errors(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """See that nothing was logged as an error."""
    with caplog.at_level(logging.ERROR):
        yield
        assert not [each.getMessage() for each in caplog.get_records("call")]


def test_graphql(key: str) -> None:
    """At the door of GraphQL."""
    fuzz_graphql(key, EXAMPLES)


@pytest.mark.parametrize("path", PATHS)
def test_dasf(key: str, path: str) -> None:
    """At each of the sockets of DASF."""
    fuzz_dasf(key, path, EXAMPLES // len(PATHS))


def fuzz_graphql(key: str, examples: int) -> None:
    """Send frames to a socket of GraphQL."""
    _fuzz(graphql_frames, examples, lambda: _graphql_socket(key), _ping)


def fuzz_dasf(key: str, path: str, examples: int) -> None:
    """Send frames to a socket of DASF."""
    _fuzz(dasf_frames, examples, lambda: _dasf_socket(path, key), _ask)


def _fuzz(frames: st.SearchStrategy[str | bytes], examples: int, open_: Open, probe: Probe) -> None:
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(frames=st.lists(frames, min_size=FRAMES, max_size=FRAMES))
    def check(frames: list[str | bytes]) -> None:
        asyncio.run(_with_hub(_survive(open_, probe, frames)))

    check()


async def _survive(open_: Open, probe: Probe, frames: list[str | bytes]) -> None:
    """Send frames, each with a probe behind it, on a socket that is opened anew when closed."""
    socket = await open_()
    codes = set()
    for frame in frames:
        try:
            await (socket.send_text(frame) if isinstance(frame, str) else socket.send_bytes(frame))
            worked = time.thread_time()
            async with asyncio.timeout(DEADLINE):
                await probe(socket)
            assert time.thread_time() - worked < PROMISED
        except ClosedError as closed:
            codes.add(closed.code)
            await socket.close()
            socket = await open_()
    await socket.close()
    assert codes <= FINE
    await until(lambda: not open_sockets)


async def _graphql_socket(key: str) -> Socket:
    socket = await Socket(application).open()
    await socket.initialise({"Authorization": f"Bearer {key}"})
    return socket


async def _dasf_socket(path: str, key: str) -> Socket:
    opening = await to(path, authorization=f"Token {key}")
    return await Socket(application, **opening).open()


async def _ping(socket: Socket) -> None:
    await socket.send({"type": "ping"})
    while (await socket.receive())["type"] != "pong":
        pass


async def _ask(socket: Socket) -> None:
    """Send a frame that any of the sockets refuses, and wait for just that refusal."""
    context = str(uuid4())
    await socket.send({"messageId": "none", "payload": 1, "context": context})
    while (await socket.receive()).get("context") != context:
        pass


async def _with_hub(running: Coroutine[Any, Any, Any]) -> Any:
    """Run something, and see that no task is left when what lives as long as the loop is gone."""
    before = asyncio.all_tasks()
    try:
        return await running
    finally:
        await current().close_hub()
        await current().close_writer()
        await until(lambda: asyncio.all_tasks() == before)
