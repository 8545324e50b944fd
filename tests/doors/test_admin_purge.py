"""Purging: what is stored goes, and nobody resumes into the hole unknowingly."""

from __future__ import annotations

from contextlib import aclosing
from typing import Any

import pytest
from django.contrib.auth.models import User

from dasf_broker import database
from dasf_broker.domain.cursors import message_cursor
from dasf_broker.exceptions import CursorExpiredError
from dasf_broker.models import BrokerTopic
from dasf_broker.operations.caller import Caller
from dasf_broker.operations.storage import removal
from dasf_broker.operations.subscriptions.messages import messages
from dasf_broker.realtime.mailbox import Delivery
from dasf_broker.runtime import current
from tests.doors.conftest import Publish

pytestmark = pytest.mark.django_db


def test_everything_goes_step_by_step(
    topic: BrokerTopic, producer: User, publish_text: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More messages than one step takes are removed all the same, and counted."""
    monkeypatch.setattr(removal, "STEP", 2)
    for _ in range(5):
        publish_text(producer, topic)
    assert removal.purge_messages([topic]) == 5
    assert not topic.brokermessage_set.exists()


def test_the_hole_is_marked(topic: BrokerTopic, producer: User, publish_text: Publish) -> None:
    """The topic remembers up to where messages are missing."""
    for _ in range(3):
        publish_text(producer, topic)
    removal.purge_messages([topic])
    stored = BrokerTopic.objects.get(pk=topic.pk)
    assert stored.expired_sequence == stored.last_sequence == 3
    assert topic.expired_sequence == 3


@pytest.mark.django_db(transaction=True)
async def test_old_cursors_expire(
    topic: BrokerTopic,
    producer: User,
    consumer: User,
    publish_text: Publish,
    hub_lifetime: None,
) -> None:
    """Whoever was behind is told when they come back; whoever had seen all goes on."""
    for _ in range(2):
        await database.write(publish_text, producer, topic)
    await database.write(removal.purge_messages, [topic])
    with pytest.raises(CursorExpiredError):
        await _next(consumer, topic, after=1)
    await database.write(publish_text, producer, topic)
    assert (await _next(consumer, topic, after=2)).message.sequence == 3


def test_sequences_go_on(topic: BrokerTopic, producer: User, publish_text: Publish) -> None:
    """What is published afterwards is stored behind what is gone."""
    publish_text(producer, topic)
    removal.purge_messages([topic])
    assert publish_text(producer, topic).message.sequence == 2


def test_nothing_to_remove_expires_nothing(
    topic: BrokerTopic, producer: User, publish_text: Publish
) -> None:
    """Where all was acknowledged there is no hole, and cursors stay good."""
    publish_text(producer, topic)
    topic.brokermessage_set.all().delete()
    assert removal.purge_messages([topic]) == 0
    assert BrokerTopic.objects.get(pk=topic.pk).expired_sequence == 0


async def _next(user: User, topic: BrokerTopic, *, after: int) -> Delivery:
    received: Any = messages(
        current(), Caller(user), topic.slug, after=message_cursor(topic.pk, after, topic.epoch)
    )
    async with aclosing(received):
        first: Delivery = await anext(received)
        return first
