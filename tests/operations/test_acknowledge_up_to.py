"""Acknowledge up to a cursor, and what acknowledging tells the host."""

from __future__ import annotations

from contextlib import suppress
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from pytest_django import DjangoCaptureOnCommitCallbacks

from dasf_broker import database, primary
from dasf_broker.domain.cursors import MAX_POSITION, encode_cursor, message_cursor
from dasf_broker.exceptions import (
    BadInputError,
    CursorExpiredError,
    ForbiddenError,
    NotFoundError,
)
from dasf_broker.models import Acknowledgement, BrokerTopic
from dasf_broker.operations import acknowledge
from dasf_broker.operations.caller import Caller
from dasf_broker.permissions import Right
from dasf_broker.runtime import current
from tests.conftest import MakeTopic, MakeUser
from tests.operations.conftest import Signalled
from tests.operations.helpers import ack, delivered, send_many, stored

#: For what is written by a thread of the broker's own.
committed = pytest.mark.django_db(transaction=True)


@committed
@pytest.mark.parametrize("step", [1, 2, 3, 7, 500])
@pytest.mark.parametrize("policy", ["cache", "cacheall", "store"])
async def test_everything_up_to_the_cursor(
    step: int,
    policy: str,
    seven: tuple[BrokerTopic, User, list[UUID]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The message of the cursor is the last, however many steps it takes."""
    monkeypatch.setattr(acknowledge, "STEP", step)
    topic, consumer, ids = seven
    cursor = message_cursor(topic.pk, 5, topic.epoch)
    assert await acknowledge_up_to(consumer, cursor) == 4
    assert await acknowledge_up_to(consumer, cursor) == 0
    assert await database.read(outstanding, topic, consumer) == ids[5:]
    assert await database.read(stored, topic) == (ids[5:] if policy == "cache" else ids)
    if policy != "cache":
        acknowledged = [bool(await database.read(delivered, each)) for each in ids]
        assert acknowledged == [True] * 5 + [False] * 2


@pytest.fixture
def seven(
    policy: str, make_topic: MakeTopic, make_user: MakeUser
) -> tuple[BrokerTopic, User, list[UUID]]:
    """Return a topic, one of two consumers, and seven messages; the second is acknowledged."""
    topic = make_topic(store_messages=policy)
    make_user("other", topic, Right.CONSUME)
    consumer = make_user("consumer", topic, Right.CONSUME)
    ids = send_many(make_user("producer", topic, Right.PRODUCE), 7)
    ack(consumer, ids[1])
    return topic, consumer, ids


@committed
@pytest.mark.parametrize(("sequence", "count"), [(0, 0), (1, 1), (3, 3)])
async def test_any_position_of_the_topic_is_a_place(
    sequence: int, count: int, topic: BrokerTopic, producer: User, consumer: User
) -> None:
    """Before the first, and at the last."""
    await database.write(send_many, producer, 3)
    assert (
        await acknowledge_up_to(consumer, message_cursor(topic.pk, sequence, topic.epoch)) == count
    )


@committed
@pytest.mark.parametrize(
    "cursor", ["", "rubbish", encode_cursor("slug", "a"), message_cursor(0, 1, 0)]
)
async def test_a_wrong_cursor_is_bad_input(
    cursor: str, topic: BrokerTopic, producer: User, consumer: User
) -> None:
    """Nothing is acknowledged by accident."""
    ids = await database.write(send_many, producer, 1)
    with pytest.raises(BadInputError) as caught:
        await acknowledge_up_to(consumer, cursor)
    assert caught.value.details == {"field": "upTo"}
    assert await database.read(stored, topic) == ids


@committed
@pytest.mark.parametrize(("sequence", "later"), [(4, 0), (MAX_POSITION, 0), (2, 1)])
async def test_a_cursor_of_another_history_acknowledges_nothing(
    sequence: int, later: int, topic: BrokerTopic, producer: User, consumer: User
) -> None:
    """Neither one ahead of the newest message, nor one of another epoch."""
    ids = await database.write(send_many, producer, 3)
    cursor = message_cursor(topic.pk, sequence, topic.epoch + later)
    with pytest.raises(CursorExpiredError):
        await acknowledge_up_to(consumer, cursor)
    assert await database.read(stored, topic) == ids


@committed
async def test_only_consumers_may(topic: BrokerTopic, producer: User, stranger: User) -> None:
    """The rights are the same as for one message."""
    cursor = message_cursor(topic.pk, 1, topic.epoch)
    with pytest.raises(ForbiddenError):
        await acknowledge_up_to(producer, cursor)
    with pytest.raises(NotFoundError):
        await acknowledge_up_to(stranger, cursor)


def test_the_host_is_told_once(
    topic: BrokerTopic,
    producer: User,
    consumer: User,
    signalled: Signalled,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    """After commit, with what became of the message; not of what changed nothing."""
    [message_id] = send_many(producer, 1)
    with django_capture_on_commit_callbacks(execute=True):
        ack(consumer, message_id)
        ack(consumer, message_id)
        assert signalled == []
    values = {"topic": "topic", "message_id": message_id, "user": consumer, "removed": True}
    assert signalled == [("message_acknowledged", {"sender": BrokerTopic, **values})]


@pytest.mark.django_db(transaction=True)
def test_nothing_is_told_of_what_is_rolled_back(
    topic: BrokerTopic, producer: User, consumer: User, signalled: Signalled
) -> None:
    """The message is still there, and still outstanding."""
    [message_id] = send_many(producer, 1)
    signalled.clear()
    with suppress(ZeroDivisionError), primary.atomic():
        ack(consumer, message_id)
        raise ZeroDivisionError
    assert signalled == []
    assert not Acknowledgement.objects.exists()
    assert outstanding(topic, consumer) == [message_id]


def outstanding(topic: BrokerTopic, user: User) -> list[object]:
    """Return the ids of what the user still has to acknowledge."""
    return list(topic.get_outstanding_messages(user).values_list("message_id", flat=True))


async def acknowledge_up_to(user: User, cursor: str) -> int:
    """Acknowledge messages as the user; return how many."""
    return await current().writer.acknowledge_up_to(Caller(user), "topic", cursor)
