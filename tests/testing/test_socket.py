"""The socket of hosts' tests: what it says when something does not come."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User

from dasf_broker import apublish, database
from dasf_broker.models import ApiToken, BrokerTopic
from dasf_broker.runtime import current
from dasf_broker.testing import GraphQLSocket, OperationError
from testproject.asgi import application

pytestmark = pytest.mark.django_db(transaction=True)

MESSAGES = 'subscription { messages(topic: "topic") { data } }'


async def test_results(topic: BrokerTopic, consumer: User) -> None:
    """They come in order; a query is complete after its one; the hub is closed at the end."""
    async with GraphQLSocket(application, user=consumer) as socket:
        await apublish("topic", data=0)
        results = await socket.subscribe(MESSAGES)
        assert await anext(results) == {"messages": {"data": 0}}
        one = await socket.subscribe("{ viewer { username } }")
        assert [each async for each in one] == [{"viewer": {"username": "consumer"}}]
    assert "hub" not in vars(current())


async def test_nothing_comes(topic: BrokerTopic, consumer: User) -> None:
    """The test ends, and not only the patience of whoever runs it."""
    async with GraphQLSocket(application, user=consumer, timeout=0.1) as socket:
        with pytest.raises(TimeoutError):
            await (await socket.subscribe(MESSAGES)).next()


async def test_errors(topic: BrokerTopic, producer: User) -> None:
    """Each kind has its code, and the texts are those of the answer."""
    async with GraphQLSocket(application, user=producer) as socket:
        with pytest.raises(OperationError, match="may not consume") as refused:
            await (await socket.subscribe(MESSAGES)).next()
        assert refused.value.codes == ["FORBIDDEN"]
        with pytest.raises(OperationError) as partly:
            await socket.execute('{ viewer { username } topic(slug: "no slug") { slug } }')
        assert (partly.value.codes, partly.value.data) == (
            ["BAD_INPUT"],
            {"viewer": {"username": "producer"}, "topic": None},
        )


async def test_the_server_closes(topic: BrokerTopic, consumer: User) -> None:
    """Whoever waits learns why: here the token is revoked."""
    async with GraphQLSocket(application, user=consumer) as socket:
        results = await socket.subscribe(MESSAGES)
        await database.write(ApiToken.objects.all().delete)
        with pytest.raises(ConnectionError, match="4401"):
            await results.next()


async def test_a_refused_socket_leaves_nothing_behind() -> None:
    """An application without websockets, say."""

    async def refuse(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.close", "code": 4404})

    with pytest.raises(ConnectionError, match="4404"):
        async with GraphQLSocket(refuse):
            pass
