"""A database that goes back under subscribers: nobody misses anything without being told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest
from django.contrib.auth.models import User

from dasf_broker import database
from dasf_broker.exceptions import BrokerError, CursorExpiredError, UnavailableError
from dasf_broker.models import BrokerTopic
from dasf_broker.operations.storage.epochs import begin_all_epochs
from dasf_broker.operations.subscriptions import hub_access
from dasf_broker.realtime import announcer
from dasf_broker.realtime.mailbox import Delivery
from dasf_broker.runtime import current
from tests.operations.helpers import restore
from tests.operations.streams import (
    DEADLINE,
    messages,
    next_of,
    publish,
    take,
    until_listening,
    until_passed_on,
)

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("hub_lifetime")]


async def _ends(stream: AsyncGenerator[Delivery, None], error: type[BrokerError]) -> None:
    with pytest.raises(error):
        await asyncio.wait_for(anext(stream), DEADLINE)


@pytest.mark.parametrize("before_the_look", [0, 1, 3])
async def test_live_subscribers_are_told(
    before_the_look: int, topic: BrokerTopic, producer: User, consumer: User
) -> None:
    """Their cursor is not honoured any more, also not when the old head is passed."""
    await publish(producer, 3)
    async with messages(consumer) as stream:
        [*_, cursor] = [(await next_of(stream)).message.cursor for _ in range(3)]
        waiting = asyncio.ensure_future(_ends(stream, UnavailableError))
        await until_listening(topic)
        await database.write(restore, topic, 1)
        if before_the_look:
            await publish(producer, before_the_look)
        while not waiting.done():
            await current().hub.poll()
            await asyncio.sleep(0.01)
        await waiting
    for _ in range(4):
        async with messages(consumer, after=cursor) as stream:
            await _ends(stream, CursorExpiredError)
        await publish(producer, 1)
    async with messages(consumer) as stream:
        assert await take(stream, 5 + before_the_look) == [*range(1, 6 + before_the_look)]


async def test_unannounced_messages_behind_the_old_head(
    topic: BrokerTopic, producer: User, consumer: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hub reads where it was, and finds another message there."""
    await publish(producer, 3)
    async with messages(consumer) as stream:
        assert await take(stream, 3) == [1, 2, 3]
        waiting = asyncio.ensure_future(_ends(stream, UnavailableError))
        await until_listening(topic)
        await database.write(restore, topic, 1)
        monkeypatch.setattr(announcer, "announce", lambda _: None)
        await publish(producer, 4)
        while not waiting.done():
            await current().hub.poll()
            await asyncio.sleep(0.01)
        await waiting


async def test_an_operator_begins_a_new_epoch(
    topic: BrokerTopic, producer: User, consumer: User
) -> None:
    """As ``dasf_new_epoch`` does; a client without a cursor misses nothing by it."""
    [first, _] = await publish(producer, 2)
    async with messages(consumer) as stream:
        assert await take(stream, 2) == [1, 2]
        waiting = asyncio.ensure_future(_ends(stream, UnavailableError))
        await until_listening(topic)
        await database.write(lambda: list(begin_all_epochs(BrokerTopic.objects.all())))
        await current().hub.poll()
        await waiting
    async with messages(consumer, after=first.message.cursor) as stream:
        await _ends(stream, CursorExpiredError)
    async with messages(consumer) as stream:
        assert await take(stream, 2) == [1, 2]
        [third] = await publish(producer, 1)
        assert (await next_of(stream)).message == third.message


async def test_while_a_backlog_is_read(
    topic: BrokerTopic, producer: User, consumer: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page of another epoch is not delivered: its cursors would be honoured."""
    monkeypatch.setattr(hub_access, "PAGE", 2)
    await publish(producer, 6)
    async with messages(consumer) as stream:
        assert await take(stream, 2) == [1, 2]
        await database.write(restore, topic, 1)
        await database.write(lambda: list(begin_all_epochs(BrokerTopic.objects.all())))
        await publish(producer, 6)
        await _ends(stream, UnavailableError)


async def test_who_comes_before_the_hub_has_looked(
    topic: BrokerTopic, producer: User, consumer: User
) -> None:
    """The hub counts in an epoch that is over: the subscriber comes again later."""
    await publish(producer, 1)
    async with messages(consumer) as stream, messages(consumer) as other:
        assert await take(stream, 1) == [1]
        await database.write(lambda: list(begin_all_epochs(BrokerTopic.objects.all())))
        await _ends(other, UnavailableError)
        await current().hub.poll()
        await _ends(stream, UnavailableError)
    async with messages(consumer) as stream:
        assert await take(stream, 1) == [1]


async def test_a_topic_of_an_older_release_keeps_its_cursors(
    topic: BrokerTopic, producer: User, consumer: User
) -> None:
    """It has the epoch 0, until the database goes back."""
    topic.epoch = 0
    await database.write(topic.save)
    [first, *_, last] = await publish(producer, 3)
    async with messages(consumer, after=first.message.cursor) as stream:
        assert await take(stream, 2) == [2, 3]
        await until_passed_on(topic, 3)
        await database.write(restore, topic, 2)
        await current().hub.poll()
        await _ends(stream, UnavailableError)
    await publish(producer, 2)
    async with messages(consumer, after=last.message.cursor) as stream:
        await _ends(stream, CursorExpiredError)
