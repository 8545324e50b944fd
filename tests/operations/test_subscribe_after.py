"""Cursors: go on behind the last message received, or be told that this is not possible."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from django.contrib.auth.models import User

from dasf_broker import database
from dasf_broker.domain.cursors import message_cursor
from dasf_broker.exceptions import BadInputError, CursorExpiredError
from dasf_broker.models import BrokerTopic
from dasf_broker.operations.caller import Caller
from dasf_broker.operations.subscriptions import messages as subscriptions
from dasf_broker.operations.subscriptions.messages import StartPosition
from dasf_broker.permissions import Right
from dasf_broker.runtime import current
from tests.conftest import MakeTopic, MakeUser
from tests.operations.streams import messages, publish, take, until_listening

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("hub_lifetime")]


async def test_resume_behind_a_cursor(topic: BrokerTopic, producer: User, consumer: User) -> None:
    """Whoever names the last message they got goes on behind it, whatever ``start`` says."""
    await publish(producer, 5)
    for start in StartPosition:
        async with messages(
            consumer, start=start, after=message_cursor(topic.pk, 2, topic.epoch)
        ) as stream:
            assert await take(stream, 3) == [3, 4, 5]


async def test_resume_at_the_end(topic: BrokerTopic, producer: User, consumer: User) -> None:
    """Behind the newest message there is the next one."""
    await publish(producer, 2)
    async with messages(consumer, after=message_cursor(topic.pk, 2, topic.epoch)) as stream:
        first = asyncio.ensure_future(anext(stream))
        await until_listening(topic)
        await publish(producer, 1)
        assert (await first).message.sequence == 3


@pytest.mark.parametrize("position", [0, 1, 2, 4, 2**40])
async def test_cursor_that_cannot_be_honoured(
    topic: BrokerTopic, producer: User, consumer: User, position: int
) -> None:
    """Behind the cursor messages expired, or it is of a time that never was: an error, no hole."""
    await publish(producer, 3)
    await _change(topic, expired_sequence=3)
    with pytest.raises(CursorExpiredError):
        await anext(
            subscriptions.messages(
                current(),
                Caller(consumer),
                "topic",
                after=message_cursor(topic.pk, position, topic.epoch),
            )
        )
    assert current().hub.topics == frozenset()


@pytest.mark.parametrize("change", ["recreated", "disabled"])
async def test_cursor_of_another_life(
    topic: BrokerTopic,
    producer: User,
    make_topic: MakeTopic,
    make_user: MakeUser,
    change: str,
) -> None:
    """A cursor does not survive its topic, nor that the topic stores messages."""
    await publish(producer, 3)
    cursor = message_cursor(topic.pk, 1, topic.epoch)
    if change == "recreated":
        await database.write(topic.delete)
        topic = await database.write(make_topic)
        await _change(topic, last_sequence=3)
    else:
        await _change(topic, store_messages="disabled")
    reader = await database.write(make_user, "reader", topic, Right.CONSUME)
    with pytest.raises(CursorExpiredError):
        await anext(subscriptions.messages(current(), Caller(reader), "topic", after=cursor))


async def test_what_is_no_cursor(topic: BrokerTopic, consumer: User) -> None:
    """Anything else is bad input."""
    with pytest.raises(BadInputError):
        await anext(subscriptions.messages(current(), Caller(consumer), "topic", after="nonsense"))


async def _change(topic: BrokerTopic, **fields: Any) -> None:
    await database.write(BrokerTopic.objects.filter(pk=topic.pk).update, **fields)
