"""Cursors from before what was removed: an error, and never a silent hole."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from pytest_django import Settings

from dasf_broker import database
from dasf_broker.domain.cursors import message_cursor
from dasf_broker.exceptions import CursorExpiredError, SlowConsumerError
from dasf_broker.models import BrokerTopic
from dasf_broker.operations.storage import removal
from dasf_broker.operations.storage.removal import purge_messages
from dasf_broker.operations.subscriptions import hub_access
from dasf_broker.operations.upkeep import retention
from dasf_broker.realtime import announcer
from dasf_broker.runtime import current
from tests.operations.streams import (
    DEADLINE,
    messages,
    publish,
    take,
    until_listening,
    until_passed_on,
)

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("hub_lifetime")]


def retire() -> None:
    """Keep only the newest message."""
    BrokerTopic.objects.update(retention_count=1)
    list(retention.remove_due(timezone.now()))


def retire_in_part() -> None:
    """Begin to, and be interrupted after the first step."""
    BrokerTopic.objects.update(retention_count=1)
    next(retention.remove_due(timezone.now()))


def purge() -> None:
    """Throw all but a newer message away."""
    purge_messages(BrokerTopic.objects.all())


REMOVALS = [retire, retire_in_part, purge]


@pytest.mark.parametrize("remove", REMOVALS)
async def test_behind_what_is_stored(
    remove: Callable[[], None],
    topic: BrokerTopic,
    producer: User,
    consumer: User,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever missed something is told; whoever missed nothing goes on."""
    monkeypatch.setattr(removal, "STEP", 2)
    await publish(producer, 5)
    await database.write(remove)
    await publish(producer, 1)
    last_removed = 5 if remove is purge else 4
    for position in range(last_removed):
        with pytest.raises(CursorExpiredError):
            async with messages(
                consumer, after=message_cursor(topic.pk, position, topic.epoch)
            ) as stream:
                await anext(stream)
    async with messages(
        consumer, after=message_cursor(topic.pk, last_removed, topic.epoch)
    ) as stream:
        assert await take(stream, 6 - last_removed) == list(range(last_removed + 1, 7))


@pytest.mark.parametrize("remove", [retire, purge])
@pytest.mark.parametrize("resumes", [True, False])
async def test_removed_while_a_backlog_is_read(
    remove: Callable[[], None],
    resumes: bool,
    topic: BrokerTopic,
    producer: User,
    consumer: User,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever resumes is told between two pages; whoever wants what is outstanding is not."""
    monkeypatch.setattr(hub_access, "PAGE", 2)
    await publish(producer, 5)
    after = message_cursor(topic.pk, 0, topic.epoch) if resumes else None
    async with messages(consumer, after=after) as stream:
        assert await take(stream, 2) == [1, 2]
        await database.write(remove)
        await publish(producer, 1)
        if resumes:
            with pytest.raises(CursorExpiredError):
                await anext(stream)
        else:
            assert await take(stream, 1) == [5 if remove is retire else 6]


@pytest.mark.parametrize("remove", [retire, purge])
async def test_who_only_wants_what_is_outstanding(
    remove: Callable[[], None], topic: BrokerTopic, producer: User, consumer: User
) -> None:
    """Does not see what was removed, and is not told: that is what retention means."""
    await publish(producer, 3)
    await database.write(remove)
    await publish(producer, 1)
    expected = [3, 4] if remove is retire else [4]
    async with messages(consumer) as stream:
        assert await take(stream, len(expected)) == expected


async def test_live_subscribers_go_on(topic: BrokerTopic, producer: User, consumer: User) -> None:
    """What is removed while they listen, they have been sent."""
    async with messages(consumer) as stream:
        first: Any = asyncio.ensure_future(take(stream, 3))
        await until_listening(topic)
        await publish(producer, 3)
        assert await first == [1, 2, 3]
        await database.write(retire)
        await publish(producer, 1)
        assert await take(stream, 1) == [4]


@pytest.mark.parametrize("remove", [retire, purge])
@pytest.mark.parametrize("resumes", [True, False])
async def test_removed_before_the_hub_found_them(
    remove: Callable[[], None],
    resumes: bool,
    topic: BrokerTopic,
    producer: User,
    consumer: User,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever resumed is told that there is a hole; whoever wants what is outstanding goes on."""
    await publish(producer, 1)
    after = message_cursor(topic.pk, 0, topic.epoch) if resumes else None
    async with messages(consumer, after=after) as stream:
        assert await take(stream, 1) == [1]
        waiting = asyncio.ensure_future(anext(stream))
        await until_listening(topic)
        monkeypatch.setattr(announcer, "announce", lambda _: None)
        await publish(producer, 5)
        await database.write(remove)
        await publish(producer, 1)
        await current().hub.poll()
        if resumes:
            with pytest.raises(CursorExpiredError):
                await asyncio.wait_for(waiting, DEADLINE)
        else:
            delivery = await asyncio.wait_for(waiting, DEADLINE)
            assert delivery.message.sequence == (6 if remove is retire else 7)


@pytest.mark.parametrize("resumes", [True, False])
async def test_removed_before_a_slow_subscriber_read_them(
    resumes: bool, topic: BrokerTopic, producer: User, consumer: User, settings: Settings
) -> None:
    """Its mailbox was emptied, so that it would read them from the database: it is told."""
    settings.DASF_MAILBOX_SIZE = 2
    await publish(producer, 1)
    after = message_cursor(topic.pk, 0, topic.epoch) if resumes else None
    async with messages(consumer, after=after) as stream:
        assert await take(stream, 1) == [1]
        await publish(producer, 1)
        assert await take(stream, 1) == [2]
        await publish(producer, 5)
        await until_passed_on(topic, 7)
        await database.write(retire)
        with pytest.raises(CursorExpiredError if resumes else SlowConsumerError):
            await take(stream, 1)
