"""Acknowledge from a host's own code."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import SynchronousOnlyOperation
from django.db import transaction

from dasf_broker import AcknowledgeStatus, aacknowledge, acknowledge, primary, publish
from dasf_broker.exceptions import BadInputError, ForbiddenError, NotFoundError
from dasf_broker.models import BrokerMessage, BrokerTopic
from dasf_broker.operations.acknowledge import Acknowledging, acknowledge_batch
from dasf_broker.operations.caller import Caller

pytestmark = pytest.mark.django_db(transaction=True)


def test_statuses(topic: BrokerTopic, consumer: User) -> None:
    """What was acknowledged is gone; what is unknown is an answer."""
    first, second = (publish("topic", data=number).message_id for number in range(2))
    done = acknowledge("topic", first, user=consumer)
    assert (done.status, done.removed) == (AcknowledgeStatus.ACKNOWLEDGED, True)
    assert acknowledge("topic", str(first), user=consumer).status is AcknowledgeStatus.UNKNOWN
    later = asyncio.run(aacknowledge("topic", str(second), user=consumer))
    assert (later.status, later.message_id) == (AcknowledgeStatus.ACKNOWLEDGED, second)


def test_refused(topic: BrokerTopic, producer: User, stranger: User, consumer: User) -> None:
    """Both kinds of code are told alike."""
    for user, message_id, error in (
        (producer, uuid4(), ForbiddenError),
        (stranger, uuid4(), NotFoundError),
        (consumer, "7", BadInputError),
    ):
        with pytest.raises(error):
            acknowledge("topic", message_id, user=user)
        with pytest.raises(error):
            asyncio.run(aacknowledge("topic", message_id, user=user))


def test_the_server_acknowledges_nothing(topic: BrokerTopic) -> None:
    """Somebody in person must have dealt with a message."""
    message_id = publish("topic", text="hello").message_id
    [outcome] = acknowledge_batch([Acknowledging(Caller.system(), "topic", message_id)])
    assert isinstance(outcome, ForbiddenError)
    assert BrokerMessage.objects.count() == 1


def test_joins_the_transaction(topic: BrokerTopic, consumer: User) -> None:
    """What the host takes back was not acknowledged."""
    message_id = publish("topic", text="hello").message_id
    with primary.atomic():
        assert acknowledge("topic", message_id, user=consumer).removed
        transaction.set_rollback(True, using=primary.alias())
    assert acknowledge("topic", message_id, user=consumer).removed


async def test_blocking_an_event_loop_is_refused(topic: BrokerTopic, consumer: User) -> None:
    """As Django does, with the way out."""
    with pytest.raises(SynchronousOnlyOperation, match="await aacknowledge"):
        acknowledge("topic", uuid4(), user=consumer)
