"""Subscribing: first what is outstanding, then what happens; in order, without gap, nothing twice.

Without any door: the operation, the hub, the channel layer and the database.
"""

from __future__ import annotations

import asyncio

import pytest
from django.contrib.auth.models import User

from dasf_broker import database
from dasf_broker.domain.envelope import MessageType
from dasf_broker.exceptions import BadInputError, ForbiddenError, NotFoundError
from dasf_broker.models import BrokerTopic
from dasf_broker.operations.acknowledge import Acknowledging
from dasf_broker.operations.caller import Caller
from dasf_broker.operations.subscriptions import messages as subscriptions
from dasf_broker.operations.subscriptions.messages import StartPosition
from dasf_broker.permissions import Right
from dasf_broker.realtime.page_size import PAGE
from dasf_broker.runtime import current
from tests.conftest import MakeTopic, MakeUser
from tests.operations.streams import (
    messages,
    next_of,
    publish,
    read_first,
    take,
    until,
    until_listening,
    until_open,
    until_passed_on,
)

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("hub_lifetime")]


async def test_outstanding_then_live(topic: BrokerTopic, producer: User, consumer: User) -> None:
    """What was there comes first, and then what is published."""
    await publish(producer, 3)
    async with messages(consumer) as stream:
        assert await take(stream, 3) == [1, 2, 3]
        await publish(producer, 2)
        assert await take(stream, 2) == [4, 5]


async def test_publishing_races_with_the_start(
    topic: BrokerTopic, producer: User, consumer: User
) -> None:
    """Subscriptions that begin at any moment of a burst get all of it, in order, once."""
    publishing = asyncio.gather(*(publish(producer, 5) for _ in range(20)))
    async with asyncio.TaskGroup() as group:
        readers = [group.create_task(read_first(consumer, 100)) for _ in range(5)]
    await publishing
    assert [each.result() for each in readers] == [[*range(1, 101)]] * 5


async def test_long_backlog_while_more_is_published(
    topic: BrokerTopic, producer: User, consumer: User
) -> None:
    """A backlog of several pages passes over into what is published meanwhile."""
    backlog = 3 * PAGE + PAGE // 2
    await publish(producer, backlog)
    async with messages(consumer) as stream:
        assert await take(stream, 10) == [*range(1, 11)]
        await publish(producer, 20)
        assert await take(stream, backlog) == [*range(11, backlog + 11)]
        await publish(producer, 20)
        assert await take(stream, 30) == [*range(backlog + 11, backlog + 41)]


async def test_what_was_not_acknowledged_comes_again(
    topic: BrokerTopic, producer: User, consumer: User
) -> None:
    """Each new subscription begins with what is outstanding."""
    await publish(producer, 2)
    for _ in range(2):
        assert await read_first(consumer, 2) == [1, 2]


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        (StartPosition.OUTSTANDING, [1, 3, 4]),
        (StartPosition.EARLIEST, [1, 2, 3, 4]),
    ],
)
async def test_start(
    make_topic: MakeTopic, make_user: MakeUser, start: StartPosition, expected: list[int]
) -> None:
    """What was acknowledged is left out, unless everything is asked for."""
    topic = await database.write(make_topic, store_messages="store")
    user = await database.write(make_user, "both", topic, Right.PRODUCE, Right.CONSUME)
    stored = await publish(user, 3)
    await current().writer.acknowledge_one(
        Acknowledging(Caller(user), "topic", stored[1].message.message_id)
    )
    async with messages(user, start=start) as stream:
        first = asyncio.ensure_future(anext(stream))
        await until_open(topic)
        await publish(user, 1)
        assert [(await first).message.sequence, *await take(stream, len(expected) - 1)] == expected


async def test_start_with_the_next(topic: BrokerTopic, producer: User, consumer: User) -> None:
    """Nothing that was there before is sent to who wants new messages only."""
    await publish(producer, 3)
    async with messages(consumer, start=StartPosition.NEW) as stream:
        first = asyncio.ensure_future(anext(stream))
        await until_open(topic)
        while not first.done():  # nobody says when the position was read
            await publish(producer, 1)
            await asyncio.wait({first}, timeout=0.05)
        sequence = (await first).message.sequence
        assert sequence is not None
        assert sequence > 3
        await publish(producer, 1)
        assert await take(stream, 1) == [sequence + 1]


@pytest.mark.parametrize("acknowledged_by_others", [True, False])
async def test_of_others_acknowledgements(
    make_topic: MakeTopic, make_user: MakeUser, acknowledged_by_others: bool
) -> None:
    """Another consumer's acknowledgement removes a message under ``cache`` only."""
    policy = "cache" if acknowledged_by_others else "cacheall"
    topic = await database.write(make_topic, store_messages=policy)
    one = await database.write(make_user, "one", topic, Right.PRODUCE, Right.CONSUME)
    two = await database.write(make_user, "two", topic, Right.CONSUME)
    stored = await publish(one, 3)
    await current().writer.acknowledge_one(
        Acknowledging(Caller(one), "topic", stored[0].message.message_id)
    )
    expected = [2, 3] if acknowledged_by_others else [1, 2, 3]
    assert await read_first(two, len(expected)) == expected


@pytest.mark.parametrize(
    ("types", "expected"),
    [
        (None, [1, 3]),
        ([MessageType.PING], [2]),
        ([MessageType.REQUEST, MessageType.PING], [1, 2]),
        ([MessageType.API_INFO, MessageType.INFO], [3, 4]),
    ],
)
@pytest.mark.parametrize("when", ["backlog", "live"])
async def test_types(
    topic: BrokerTopic,
    producer: User,
    consumer: User,
    types: list[MessageType] | None,
    expected: list[int],
    when: str,
) -> None:
    """Only the types that were asked for; by default none that are for machines."""
    async with messages(consumer, types=types) as stream:
        first = asyncio.ensure_future(anext(stream))
        if when == "live":
            await until_listening(topic)
        for each in ("REQUEST", "PING", "INFO", "API_INFO"):
            await publish(producer, 1, kind=MessageType[each])
        got = [(await first).message.sequence, *await take(stream, len(expected) - 1)]
        assert got == expected


async def test_rights_are_asked_first(topic: BrokerTopic, producer: User, stranger: User) -> None:
    """Who may not consume does not get as far as the hub."""
    refusals: list[tuple[User, str, type[Exception]]] = [
        (producer, "topic", ForbiddenError),
        (stranger, "topic", NotFoundError),
        (producer, "nowhere", NotFoundError),
        (producer, "no slug", BadInputError),
    ]
    for user, slug, error in refusals:
        with pytest.raises(error):
            await anext(subscriptions.messages(current(), Caller(user), slug))
    assert current().hub.topics == frozenset()


async def test_deleted_topic_ends_the_subscription(
    topic: BrokerTopic, producer: User, consumer: User, manager: User
) -> None:
    """A subscriber of a topic that is deleted is told so."""
    from dasf_broker.operations.topics import delete_topic

    async with messages(consumer) as stream:
        await publish(producer, 1)
        assert await take(stream, 1) == [1]
        await database.write(delete_topic, Caller(manager), "topic")
        with pytest.raises(NotFoundError):
            await next_of(stream)
    assert current().hub.topics == frozenset()


async def test_a_hub_that_is_behind_brings_nothing_back(
    topic: BrokerTopic, producer: User, consumer: User, superuser: User
) -> None:
    """What a user acknowledged does not come again, although the hub passes it on only now."""
    async with messages(superuser, start=StartPosition.NEW) as other:
        others_first = asyncio.ensure_future(take(other, 4))
        await until_open(topic)
        published = await publish(producer, 3)
        assert await read_first(consumer, 3) == [1, 2, 3]
        done = [Acknowledging(Caller(consumer), "topic", each.message_id) for each in published]
        await current().writer.acknowledge(done)
        await until_passed_on(topic, 3)
        found = current().hub.subscribers(topic.pk)
        assert found is not None
        found.position = 0  # as if it had heard of none of them
        async with messages(consumer) as stream:
            received = asyncio.ensure_future(take(stream, 1))
            await until(lambda: len(found.mailboxes) == 2)
            for each in published:
                found.advance(each.message)
            await publish(producer, 1)
            assert await received == [4]
        others_first.cancel()
        await asyncio.gather(others_first, return_exceptions=True)
