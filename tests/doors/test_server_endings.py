"""Servers that end cancel what they run; GraphQL clients are told to come back."""

from __future__ import annotations

import asyncio

import pytest
from django.contrib.auth.models import User

from dasf_broker.models import BrokerTopic
from tests.doors.clients import key_of
from tests.doors.conftest import OpenSocket
from tests.doors.sockets import ClosedError

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("is_initialised", [False, True])
async def test_cancelled(
    open_socket: OpenSocket, topic: BrokerTopic, consumer: User, *, is_initialised: bool
) -> None:
    """Before ``connection_init`` and in a subscription. Servers would say 1011 themselves."""
    socket = await open_socket()
    if is_initialised:
        await socket.initialise({"Authorization": f"Token {await key_of(consumer)}"})
        await socket.subscribe('subscription { messages(topic: "topic") { text } }')
        assert await socket.hears_nothing()
    task, socket._task = socket._task, None
    task.cancel()
    with pytest.raises(ClosedError) as closed:
        await socket.receive()
    assert closed.value.code == 1012
    with pytest.raises(asyncio.CancelledError):
        await task
