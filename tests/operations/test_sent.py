"""`SENT` means announced: a message without a row is on its way when its producer is answered."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from django.contrib.auth.models import User

from dasf_broker.domain.publishing import PublishStatus
from dasf_broker.models import BrokerTopic
from dasf_broker.operations import writer
from dasf_broker.permissions import Right
from dasf_broker.realtime import announcer
from dasf_broker.runtime import current
from tests.conftest import MakeTopic, MakeUser
from tests.operations.streams import DEADLINE, publication, until

pytestmark = pytest.mark.django_db(transaction=True)


class SlowLayer:
    """A channel layer that takes its time, or for ever."""

    def __init__(self) -> None:
        self.sent = 0
        self.before: Callable[[], Awaitable[Any]] = lambda: asyncio.sleep(0.05)

    async def group_send(self, _: str, announcement: dict[str, Any]) -> None:
        """Count the events of an announcement when it is through."""
        await self.before()
        self.sent += len(announcement["events"])


@pytest.fixture
async def layer(monkeypatch: pytest.MonkeyPatch) -> SlowLayer:
    """Return the channel layer of a process whose server runs in the loop of the test."""
    layer = SlowLayer()
    monkeypatch.setattr(announcer, "get_channel_layer", lambda: layer)
    monkeypatch.setattr(announcer, "_process", announcer._Process())
    announcer.announce_from_running_loop()
    return layer


@pytest.fixture
def producer(make_topic: MakeTopic, make_user: MakeUser) -> User:
    """Return a user who may publish to a topic that stores nothing."""
    return make_user("producer", make_topic("topic", store_messages="disabled"), Right.PRODUCE)


async def test_answer_waits_for_the_announcement(producer: User, layer: SlowLayer) -> None:
    """A server that is killed right after its answer loses no message that it called sent."""
    done = await current().writer.publish_one(publication(producer))
    assert (done.status, layer.sent) == (PublishStatus.SENT, 1)


async def test_stored_message_does_not_wait(
    topic: BrokerTopic, make_user: MakeUser, layer: SlowLayer
) -> None:
    """Subscribers find it in the database, whatever becomes of its announcement."""
    layer.before = asyncio.Event().wait
    author = await asyncio.to_thread(make_user, "author", topic, Right.PRODUCE)
    done = await asyncio.wait_for(current().writer.publish_one(publication(author)), DEADLINE)
    assert (done.status, layer.sent) == (PublishStatus.STORED, 0)


async def test_layer_that_hangs_fails_no_producer(
    producer: User, layer: SlowLayer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer waits for a moment only."""
    monkeypatch.setattr(writer, "ANNOUNCE_TIMEOUT", 0.05)
    layer.before = asyncio.Event().wait
    done = await asyncio.wait_for(current().writer.publish_one(publication(producer)), DEADLINE)
    assert (done.status, layer.sent) == (PublishStatus.SENT, 0)
    announcing = announcer._process.announcer()
    assert announcing is not None
    await until(lambda: not announcing._flushing | announcing._flushing_next)
