"""Publishing when something else happens to the topic at the same moment, in two connections."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from pytest_django import Settings

from dasf_broker.models import BrokerTopic
from dasf_broker.operations.publish import publish_batch
from dasf_broker.operations.storage.removal import purge_messages
from dasf_broker.operations.upkeep import retention
from tests.operations.helpers import ack, codes, publication, send, stored
from tests.operations.test_storage_races import at_once

ID = UUID("12345678-1234-5678-1234-567812345678")

Act = Callable[[], list[str]]


def publish(*ids: UUID | None) -> Act:
    """Return the publishing of messages in one batch."""

    def act() -> list[str]:
        user = User.objects.get(username="producer")
        return codes(publish_batch([publication(user, message_id=each) for each in ids]))

    return act


def acknowledge() -> list[str]:
    """Acknowledge the message, which removes it."""
    return codes([ack(User.objects.get(username="consumer"), ID)])


def purge() -> list[str]:
    """Remove all messages."""
    purge_messages(BrokerTopic.objects.all())
    return ["PURGED"]


def retire() -> list[str]:
    """Remove all messages but one, which is another one."""
    list(retention.remove_due(timezone.now()))
    return ["RETIRED"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("other", [publish(ID), acknowledge, purge, retire])
@pytest.mark.parametrize("retry_is_first", [True, False])
def test_a_retry_makes_no_second_message(
    other: Act, retry_is_first: bool, topic: BrokerTopic, producer: User, consumer: User
) -> None:
    """Whatever happens to the first one meanwhile."""
    BrokerTopic.objects.update(retention_count=1)
    send(producer, message_id=ID)
    if other is retire:
        send(producer)
    retry = publish(ID)
    acts = (retry, other) if retry_is_first else (other, retry)
    outcomes = at_once(*acts)
    assert outcomes[0 if retry_is_first else 1] == ["DUPLICATE"]
    assert stored(topic).count(ID) <= 1
    assert publish(ID)() == ["DUPLICATE"]


@pytest.mark.django_db(transaction=True)
def test_two_at_once_make_one_message(topic: BrokerTopic, producer: User) -> None:
    """Two that retry at the same moment, of which neither arrived."""
    assert at_once(publish(ID), publish(ID)) == (["STORED"], ["DUPLICATE"])
    assert stored(topic) == [ID]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("before", [0, 1, 2])
@pytest.mark.parametrize("published", [0, 10])
def test_two_at_once_do_not_exceed_the_limit(
    before: int, published: int, topic: BrokerTopic, producer: User, settings: Settings
) -> None:
    """However much the topic held and had seen when they began."""
    settings.DASF_MAX_BACKLOG = 3
    BrokerTopic.objects.update(last_sequence=published)
    for _ in range(before):
        send(producer)
    room = 3 - before
    first, second = at_once(publish(None, None), publish(None, None))
    assert (first + second).count("STORED") == room
    assert (first + second).count("TOPIC_FULL") == 4 - room
    assert len(stored(topic)) == 3
