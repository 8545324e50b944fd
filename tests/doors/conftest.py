"""What the tests of the doors share: a client for each, and messages to begin with."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.db import connections
from pytest_django import Settings

from dasf_broker import app_settings
from dasf_broker.domain.envelope import Envelope
from dasf_broker.domain.publishing import Published
from dasf_broker.models import BrokerTopic
from dasf_broker.operations.caller import Caller
from dasf_broker.operations.publications import Publication
from dasf_broker.operations.publish import publish
from testproject.asgi import application
from tests.doors.clients import (
    DoorClient,
    EventStreamClient,
    GraphQLClient,
    HttpClient,
    WebSocketClient,
    key_of,
)
from tests.doors.event_streams import EventStream
from tests.doors.several import doors_of_this_backend
from tests.doors.sockets import Socket

CLIENTS: dict[str, type[GraphQLClient]] = {
    "graphql-http": DoorClient,
    "django-view": HttpClient,
    "graphql-ws": WebSocketClient,
    "graphql-sse": EventStreamClient,
}

Publish = Callable[..., Published]
OpenSocket = Callable[..., Any]
OpenStream = Callable[..., Any]


@pytest.fixture(autouse=True)
def _open_to_everybody(settings: Settings) -> None:
    """Show the schema and the page as while developing; `tests/security` has them hidden."""
    settings.DASF_INTROSPECTION = settings.DASF_GRAPHIQL = "everybody"


@pytest.fixture(params=doors_of_this_backend(CLIENTS))
def client(request: pytest.FixtureRequest, hub_lifetime: None) -> GraphQLClient:
    """Return a client for each of the doors in turn."""
    return CLIENTS[request.param]()


@pytest.fixture
def publish_text(db: None) -> Publish:
    """Return a function that publishes a text: ``publish_text(user, topic, "hello")``."""

    def make(user: User, topic: BrokerTopic, text: str = "hello", **parts: Any) -> Published:
        envelope = Envelope.compose(max_size=app_settings.DASF_MAX_MESSAGE_SIZE, text=text, **parts)
        return publish(Publication(Caller.of(user), topic.slug, envelope))

    return make


@pytest.fixture
async def open_socket(hub_lifetime: None) -> AsyncIterator[OpenSocket]:
    """Return a function that opens a socket, closed when the test ends."""
    sockets: list[Socket] = []

    async def open_(**options: Any) -> Socket:
        socket = Socket(application, **options)
        sockets.append(socket)
        return await socket.open()

    yield open_
    for socket in sockets:
        await socket.close()


@pytest.fixture
async def enter(open_socket: OpenSocket) -> OpenSocket:
    """Return a function that opens a socket and introduces a user on it."""

    async def enter_(user: User | None = None) -> Socket:
        socket: Socket = await open_socket()
        headers = None if user is None else {"Authorization": f"Bearer {await key_of(user)}"}
        await socket.initialise(headers)
        return socket

    return enter_


@pytest.fixture
async def open_stream(hub_lifetime: None) -> AsyncIterator[OpenStream]:
    """Return a function that sends an operation and takes events, until the test ends."""
    streams: list[EventStream] = []

    async def open_(
        query: str, variables: Any = None, *, as_: User | None = None, **headers: str
    ) -> EventStream:
        if as_ is not None:
            headers["authorization"] = f"Bearer {await key_of(as_)}"
        stream = EventStream(application, query, variables, headers=headers)
        streams.append(stream)
        return await stream.open()

    yield open_
    for stream in streams:
        await stream.close()


@pytest.fixture
async def django_thread() -> AsyncIterator[None]:
    """Close the connection of the thread in which Django reads sessions."""
    yield
    await sync_to_async(connections.close_all)()
