"""Subscribe from a host's own code."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest
from django.contrib.auth.models import User
from pytest_django import Settings

from dasf_broker import (
    AcknowledgeStatus,
    MessageType,
    ReceivedMessage,
    StartPosition,
    aping,
    apublish,
    database,
    subscribe,
)
from dasf_broker.exceptions import (
    BadInputError,
    CursorExpiredError,
    ForbiddenError,
    NotFoundError,
)
from dasf_broker.models import BrokerTopic
from dasf_broker.permissions import Right, revoke
from dasf_broker.runtime import current
from tests.conftest import MakeTopic
from tests.operations.streams import DEADLINE, until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("hub_lifetime")]


async def _next(stream: AsyncIterator[ReceivedMessage]) -> ReceivedMessage:
    return await asyncio.wait_for(anext(stream), DEADLINE)


async def test_outstanding_then_live(topic: BrokerTopic, producer: User, consumer: User) -> None:
    """What waited comes first, and then what is published, with all that there is to know."""
    done = await apublish("topic", data={"celsius": 6.2}, context=1, user=producer)
    async with subscribe("topic", user=consumer) as stream:
        first = await _next(stream)
        await apublish("topic", text="hello", message_type="info")
        second = await _next(stream)
    assert (first.topic, first.message_id, first.context) == ("topic", done.message_id, 1)
    assert (first.data, first.text) == ({"celsius": 6.2}, '{"celsius":6.2}')
    assert (first.cursor, first.user_id) == (done.message.cursor, str(producer.pk))
    assert (first.publish_time, first.missed) == (done.message.publish_time, 0)
    assert (second.data, second.text, second.payload) == (None, "hello", "aGVsbG8=")
    assert (second.message_type, second.properties) == (MessageType.INFO, {"messageType": "info"})


async def test_acknowledged_does_not_come_again(topic: BrokerTopic, consumer: User) -> None:
    """What was acknowledged is done; what was not comes again with the next subscription."""
    for number in range(3):
        await apublish("topic", data=number)
    async with subscribe("topic", user=consumer) as stream:
        assert (await (await _next(stream)).acknowledge()).removed
        assert (await _next(stream)).data == 1
    async with subscribe("topic", user=consumer) as stream:
        message = await _next(stream)
        assert message.data == 1
        assert (await message.acknowledge()).status is AcknowledgeStatus.ACKNOWLEDGED
        assert (await message.acknowledge()).status is AcknowledgeStatus.UNKNOWN


async def test_resume(topic: BrokerTopic, consumer: User) -> None:
    """Behind a cursor everything comes that was published since, and nothing twice."""
    for number in range(3):
        await apublish("topic", data=number)
    async with subscribe("topic", user=consumer) as stream:
        cursor = (await _next(stream)).cursor
    await apublish("topic", data=3)
    async with aclosing(subscribe("topic", user=consumer, after=cursor)) as stream:
        assert [(await _next(stream)).data for _ in range(3)] == [1, 2, 3]


async def test_start_positions(topic: BrokerTopic, consumer: User) -> None:
    """All that is stored, or only what comes."""
    topic.store_messages = "store"
    await database.write(topic.save)
    done = await apublish("topic", data=0)
    async with subscribe("topic", user=consumer) as stream:
        await (await _next(stream)).acknowledge()
    earliest, new = StartPosition.EARLIEST, StartPosition.NEW
    async with aclosing(subscribe("topic", user=consumer, start=earliest)) as stream:
        assert (await _next(stream)).message_id == done.message_id
    async with aclosing(subscribe("topic", user=consumer, start=new)) as stream:
        coming = asyncio.ensure_future(_next(stream))
        while not coming.done():  # published again and again, until the subscription has begun
            await apublish("topic", data="new")
        assert (await coming).data == "new"


async def test_types(topic: BrokerTopic, consumer: User) -> None:
    """Only these types, also those that are left out otherwise."""
    await apublish("topic", text="request")
    await apublish("topic", text="info", message_type=MessageType.INFO)
    async with aclosing(subscribe("topic", user=consumer, message_types=["info"])) as stream:
        assert (await _next(stream)).text == "info"
    async with aclosing(
        subscribe("topic", user=consumer, message_types=[MessageType.PING])
    ) as stream:
        coming = asyncio.ensure_future(_next(stream))
        while not coming.done():
            await aping("topic")
        assert (await coming).message_type is MessageType.PING


async def test_the_server_listens(topic: BrokerTopic, consumer: User) -> None:
    """Without a user everything comes, as long as it is stored, and nothing is acknowledged."""
    topic.store_messages = "store"
    await database.write(topic.save)
    await apublish("topic", data=0)
    async with subscribe("topic", user=consumer) as stream:
        await (await _next(stream)).acknowledge()
    async with aclosing(subscribe("topic")) as stream:
        message = await _next(stream)
        assert message.data == 0
        with pytest.raises(ForbiddenError):
            await message.acknowledge()
        await apublish("topic", data=1)
        assert (await _next(stream)).data == 1


async def test_two_listeners_of_the_server(topic: BrokerTopic) -> None:
    """They are looked up together, and both hear everything."""
    await apublish("topic", data=0)
    async with aclosing(subscribe("topic")) as one, aclosing(subscribe("topic")) as two:
        messages = await asyncio.gather(_next(one), _next(two))
    assert [message.data for message in messages] == [0, 0]


async def test_refused(topic: BrokerTopic, producer: User, stranger: User, consumer: User) -> None:
    """The first message is asked for, and the error comes in its place."""
    for arguments, error in (
        ({"user": producer}, ForbiddenError),
        ({"user": stranger}, NotFoundError),
        ({"user": consumer, "after": "7"}, BadInputError),
        ({"user": consumer, "message_types": ["shout"]}, BadInputError),
    ):
        with pytest.raises(error):
            await _next(subscribe("topic", **arguments))


async def test_expired_cursor(topic: BrokerTopic, consumer: User, make_topic: MakeTopic) -> None:
    """A cursor that cannot be honoured is an error, and never a silent hole."""
    done = await apublish("topic", data=0)
    topic.expired_sequence = 5
    await database.write(topic.save, update_fields=["expired_sequence"])
    with pytest.raises(CursorExpiredError):
        await _next(subscribe("topic", user=consumer, after=done.message.cursor))


async def test_a_right_is_taken_away(topic: BrokerTopic, consumer: User) -> None:
    """The subscription ends with an error; the server's own goes on."""
    async with (
        subscribe("topic", user=consumer) as stream,
        aclosing(subscribe("topic")) as own,
    ):
        await apublish("topic", data=0)
        await asyncio.gather(_next(stream), _next(own))
        await database.write(revoke, consumer, topic, Right.CONSUME)
        with pytest.raises(ForbiddenError):
            await _next(stream)
        await apublish("topic", data=1)
        assert (await _next(own)).data == 1


async def test_waiting_in_vain_is_no_end(topic: BrokerTopic, consumer: User) -> None:
    """Whoever gives up waiting may wait again."""
    async with subscribe("topic", user=consumer) as stream:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(stream), 0.05)
        await apublish("topic", data=0)
        assert (await _next(stream)).data == 0


async def test_closed_streams_are_over(topic: BrokerTopic, consumer: User) -> None:
    """Before anything was asked for, in the middle, and after an error."""
    unused = subscribe("topic", user=consumer)
    await unused.aclose()
    assert [message async for message in unused] == []
    await apublish("topic", data=0)
    async with subscribe("topic", user=consumer) as stream:
        await _next(stream)
    assert [message async for message in stream] == []
    refused = subscribe("nowhere", user=consumer)
    for _ in range(2):
        with pytest.raises(NotFoundError):
            await anext(refused)
    await refused.aclose()


async def test_leaving_the_loop_ends_the_subscription(topic: BrokerTopic, consumer: User) -> None:
    """``break`` is enough, as long as the event loop goes on."""
    await apublish("topic", data=0)
    async for _ in subscribe("topic", user=consumer):
        assert current().hub.topics == {topic.pk}
        break
    await until(lambda: not current().hub.topics)


def test_short_loops(topic: BrokerTopic, consumer: User, caplog: pytest.LogCaptureFixture) -> None:
    """A script may publish in one loop and listen in another one; it ends without a complaint."""

    async def listen() -> object:
        async for message in subscribe("topic", user=consumer):
            await message.acknowledge()
            return message.data
        return None

    for number in range(3):
        asyncio.run(apublish("topic", data=number))
        assert asyncio.run(listen()) == number
    assert not caplog.records


async def test_what_the_host_does_counts_for_no_rate(
    topic: BrokerTopic, consumer: User, producer: User, settings: Settings
) -> None:
    """However often its own code subscribes, and whatever the limits of its users."""
    settings.DASF_USER_RATES = {"subscribe": "1/h"}
    await apublish("topic", text="hello", user=producer)
    for _ in range(3):
        async with subscribe("topic", user=consumer) as stream:
            assert (await anext(stream)).text == "hello"


async def test_closing_twice(topic: BrokerTopic, consumer: User) -> None:
    """A stream may be closed before it begins, and more than once."""
    stream = subscribe("topic", user=consumer)
    for _ in range(2):
        await stream.aclose()
    with pytest.raises(StopAsyncIteration):
        await _next(stream)
