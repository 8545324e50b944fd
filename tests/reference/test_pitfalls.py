"""The bugs of the reference system (dasf-broker-django 0.0.1.dev1), so that none comes back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
from django.contrib.auth.models import User
from pytest_django import Settings

from dasf_broker import database
from dasf_broker.models import BrokerMessage, BrokerTopic, BrokerTopicUserPermission
from dasf_broker.operations.caller import Caller
from dasf_broker.operations.topics import delete_topic
from dasf_broker.permissions import Right
from testproject.asgi import application
from tests.conftest import MakeUser
from tests.doors.dasf.frames import (
    acknowledge,
    ask,
    is_error,
    message,
    publish,
    queries_of_all_threads,
    texts,
    to,
    until_true,
)
from tests.doors.sockets import Socket, connect
from tests.doors.waiting import until_heard

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("hub_lifetime"),
]


@pytest.fixture
async def sockets() -> AsyncIterator[AsyncExitStack]:
    """Return where sockets are opened that close when the test ends."""
    async with AsyncExitStack() as stack:
        yield stack


async def open_(sockets: AsyncExitStack, path: str, user: User) -> Socket:
    """Open a socket of the DASF protocol."""
    return await sockets.enter_async_context(connect(application, **await to(path, user)))


@pytest.mark.parametrize("again", ["duplicate", "no uuid"])
async def test_message_id_kills_no_socket(
    sockets: AsyncExitStack, topic: BrokerTopic, producer: User, again: str
) -> None:
    """A message id that is taken, or none at all, is an answer; the socket goes on."""
    socket = await open_(sockets, "topic", producer)
    [first] = await publish(socket, "one")
    bad = message("other", messageId=first if again == "duplicate" else again)
    assert is_error(await ask(socket, bad))
    await publish(socket, "two")
    assert await database.read(BrokerMessage.objects.count) == 2


async def test_leaving_after_the_topic_was_deleted(
    sockets: AsyncExitStack, topic: BrokerTopic, producer: User, consumer: User, superuser: User
) -> None:
    """Sockets of a topic that is gone close without an error; `close` raises what they raised."""
    paths = (("topic", producer), ("topic/a", consumer), ("topic/b", consumer))
    opened = [await open_(sockets, path, user) for path, user in paths]
    await until_heard(topic, by=2)
    await database.write(delete_topic, Caller(superuser), "topic")
    for socket in opened:
        await socket.close()
    assert not await database.read(BrokerTopic.objects.exists)


async def test_delivery_writes_no_topic(
    sockets: AsyncExitStack, topic: BrokerTopic, producer: User, consumer: User
) -> None:
    """Ten messages to ten consumers, acknowledged: the topic's row is written per message only."""
    source = await open_(sockets, "topic", producer)
    consumers = [await open_(sockets, f"topic/{number}", consumer) for number in range(10)]
    await until_heard(topic, by=10)
    with queries_of_all_threads() as queries:
        ids = await publish(source, *"0123456789")
        for socket in consumers:
            assert await texts(socket, 10) == [*"0123456789"]
            for each in ids:
                await acknowledge(socket, each)
        await until_true(lambda: not topic.brokermessage_set.exists())
        for socket in consumers:
            await socket.close()  # all it sent is dealt with
        written = [sql for sql in queries if sql.startswith('UPDATE "dasf_broker_brokertopic"')]
    # Ten sequences, one sign of life, and the ping after the last consumer.
    assert len(written) <= 12


@pytest.mark.parametrize("name", ["no slug", "../admin", "x" * 129, "a\nb", "ü"])
async def test_response_topic_is_a_slug(
    sockets: AsyncExitStack, topic: BrokerTopic, producer: User, name: str
) -> None:
    """A response topic whose name is no slug is refused and not created."""
    socket = await open_(sockets, "topic", producer)
    assert is_error(await ask(socket, message(properties={"response_topic": name})))
    assert await database.read(BrokerTopic.objects.count) == 1


@pytest.mark.parametrize("case", ["missing", "hidden", "forbidden", "too large", "bad payload"])
async def test_refusals_contain_error(
    sockets: AsyncExitStack,
    topic: BrokerTopic,
    producer: User,
    consumer: User,
    stranger: User,
    case: str,
) -> None:
    """The client notices a failure only by this word, and only with its context."""
    path = "nowhere" if case == "missing" else "topic"
    users = {"missing": producer, "hidden": stranger, "forbidden": consumer}
    socket = await open_(sockets, path, users.get(case, producer))
    parts = {"too large": {"payload": "A" * 2**21}, "bad payload": {"payload": "?"}}
    answer = await ask(socket, message(context=5, **parts.get(case, {})))
    assert "error" in answer["result"]
    assert answer["context"] == 5


async def test_messages_make_no_rights(
    sockets: AsyncExitStack, topic: BrokerTopic, producer: User, make_user: MakeUser
) -> None:
    """However many consumers there are, a message adds no row of rights."""

    def add_consumers() -> int:
        for number in range(20):
            make_user(f"user{number}", topic, Right.CONSUME)
        return BrokerTopicUserPermission.objects.count()

    before = await database.write(add_consumers)
    await publish(await open_(sockets, "topic", producer), *"abc")
    assert await database.read(BrokerTopicUserPermission.objects.count) == before


async def test_fan_out_asks_the_database_nothing(
    sockets: AsyncExitStack,
    topic: BrokerTopic,
    producer: User,
    consumer: User,
    settings: Settings,
) -> None:
    """Delivering a stored message to 100 consumers costs the same queries as to one."""
    settings.DASF_LOOK_INTERVAL = 3600
    source = await open_(sockets, "topic", producer)
    listening: list[Socket] = []

    async def cost(count: int) -> int:
        while len(listening) < count:
            listening.append(await open_(sockets, f"topic/{len(listening)}", consumer))
        await until_heard(topic, by=count)
        # What is stored nowhere is only heard live: whoever hears it reads no backlog any more.
        await store(topic, "disabled")
        await hear("live")
        await store(topic, "store")
        with queries_of_all_threads() as queries:
            await hear("stored")
        return len(queries)

    async def hear(text: str) -> None:
        await publish(source, text)
        assert {*await asyncio.gather(*(one_text(socket) for socket in listening))} == {text}

    for_one = await cost(1)
    await acknowledge_all(topic, consumer)
    assert await cost(100) == for_one


async def one_text(socket: Socket) -> str:
    """Return the text of the next message."""
    [text] = await texts(socket, 1)
    return text


async def store(topic: BrokerTopic, policy: str) -> None:
    """Set how messages are stored from now on."""
    await database.write(BrokerTopic.objects.filter(pk=topic.pk).update, store_messages=policy)


async def acknowledge_all(topic: BrokerTopic, user: User) -> None:
    """Leave nothing outstanding for the user."""

    def mark() -> None:
        for row in topic.brokermessage_set.all():
            row.delivered_to.add(user)

    await database.write(mark)
