"""Subscribers that are too slow: nothing stored is lost, and what is lost is said."""

from __future__ import annotations

import asyncio
from unittest.mock import patch

import pytest
from django.contrib.auth.models import User
from pytest_django import Settings

from dasf_broker import database
from dasf_broker.domain.envelope import MessageType
from dasf_broker.models import BrokerTopic
from dasf_broker.operations.subscriptions.messages import StartPosition
from dasf_broker.permissions import Right
from tests.conftest import MakeTopic, MakeUser
from tests.operations.streams import (
    messages,
    next_of,
    publish,
    take,
    text_of,
    until,
    until_listening,
    until_passed_on,
)

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("hub_lifetime")]


@pytest.mark.parametrize("batch", [1, 7, 50])
async def test_slow_subscriber_gets_everything(
    topic: BrokerTopic, producer: User, consumer: User, settings: Settings, batch: int
) -> None:
    """A mailbox that overflows costs a subscriber of a stored topic no message."""
    settings.DASF_MAILBOX_SIZE = 5
    async with messages(consumer) as stream:
        first = asyncio.ensure_future(anext(stream))
        mailbox = await until_listening(topic)
        count = 50 // batch * batch
        with patch.object(mailbox, "catch_up", wraps=mailbox.catch_up) as caught_up:
            for _ in range(50 // batch):
                await publish(producer, batch)
            await until_passed_on(topic, count)
            assert (await first).message.sequence == 1
            assert await take(stream, count - 1) == [*range(2, count + 1)]
        assert caught_up.called, "the mailbox did not overflow"


async def test_slow_subscriber_delays_nobody(
    topic: BrokerTopic, producer: User, consumer: User, settings: Settings
) -> None:
    """While one does not read at all, another one gets everything."""
    settings.DASF_MAILBOX_SIZE = 5
    async with messages(consumer) as slow, messages(consumer) as quick:
        await publish(producer, 1)
        assert (await take(slow, 1), await take(quick, 1)) == ([1], [1])
        for sequence in range(2, 30):
            await publish(producer, 1)
            assert await take(quick, 1) == [sequence]
        assert await take(slow, 28) == [*range(2, 30)]


async def test_losses_on_unstored_topics_are_reported(
    make_topic: MakeTopic, make_user: MakeUser, settings: Settings
) -> None:
    """Where nothing is stored, a slow subscriber learns how many messages it missed."""
    settings.DASF_MAILBOX_SIZE = 5
    user, topic = await _unstored(make_topic, make_user)
    async with messages(user) as stream:
        first = asyncio.ensure_future(anext(stream))
        mailbox = await until_listening(topic)
        await publish(user, 1, text="first")
        assert (await first).missed == 0
        await publish(user, 12)
        await publish(user, 1, text="marker")
        await until(lambda: mailbox.missed == 8)
        received = [await next_of(stream) for _ in range(5)]
        assert [each.missed for each in received] == [8, 0, 0, 0, 0]
        assert text_of(received[-1]) == "marker"


async def test_losses_are_reported_with_the_next_wanted_message(
    make_topic: MakeTopic, make_user: MakeUser, settings: Settings
) -> None:
    """A message that the subscriber did not ask for does not swallow the report."""
    settings.DASF_MAILBOX_SIZE = 2
    user, topic = await _unstored(make_topic, make_user)
    async with messages(user, types=[MessageType.LOG]) as stream:
        first = asyncio.ensure_future(anext(stream))
        mailbox = await until_listening(topic)
        await publish(user, 1, kind=MessageType.LOG)
        await first
        await publish(user, 3, kind=MessageType.LOG)
        await publish(user, 1, kind=MessageType.INFO)
        await publish(user, 1, kind=MessageType.LOG)
        await until(lambda: mailbox.missed == 3)
        assert (await next_of(stream)).missed == 3


async def test_unstored_messages_of_the_past_are_gone(
    make_topic: MakeTopic, make_user: MakeUser
) -> None:
    """At most once, and live only."""
    user, topic = await _unstored(make_topic, make_user)
    await publish(user, 3, text="before")
    async with messages(user, start=StartPosition.EARLIEST) as stream:
        first = asyncio.ensure_future(anext(stream))
        await until_listening(topic)
        await publish(user, 1, text="after")
        assert text_of(await first) == "after"


async def _unstored(make_topic: MakeTopic, make_user: MakeUser) -> tuple[User, BrokerTopic]:
    topic = await database.write(make_topic, store_messages="disabled")
    user = await database.write(make_user, "both", topic, Right.PRODUCE, Right.CONSUME)
    return user, topic
