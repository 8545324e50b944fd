"""Where messages end: what refers to them goes too, and a host that listens hears of it."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.db.models.signals import post_delete
from django.test.utils import CaptureQueriesContext

from dasf_broker.models import (
    Acknowledgement,
    BrokerMessage,
    BrokerTopic,
    RememberedMessage,
    ResponseTopic,
)
from dasf_broker.operations.storage import removal
from tests.conftest import MakeTopic
from tests.operations.helpers import ack, send, send_many

pytestmark = pytest.mark.django_db

LINKS = ResponseTopic.source_messages.through


@pytest.mark.parametrize("is_shared", [True, False])
def test_nothing_is_left_of_a_message(
    is_shared: bool,
    topic: BrokerTopic,
    producer: User,
    consumer: User,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its acknowledgements and requests go with it, its neighbours stay."""
    if is_shared:  # a host has a table that refers to messages
        monkeypatch.setattr(removal, "_referring_models", lambda: {Acknowledgement, LINKS, User})
    BrokerTopic.objects.update(store_messages="store")
    messages = [send(producer, response_topic="topic_answers").message.message_id for _ in range(2)]
    for message_id in messages:
        ack(consumer, message_id)
    assert removal.remove([BrokerMessage.objects.get(message_id=messages[0])]) == 1
    for model in (BrokerMessage, Acknowledgement, LINKS, RememberedMessage):
        assert model.objects.count() == 1
    connection.check_constraints()


def test_a_host_hears_of_the_end(topic: BrokerTopic, producer: User, consumer: User) -> None:
    """Django's signal is sent where somebody listens."""
    gone: list[int] = []

    def note(instance: BrokerMessage, **_: Any) -> None:
        gone.append(instance.pk)

    [message_id, _] = send_many(producer, 2)
    row = BrokerMessage.objects.get(message_id=message_id)
    post_delete.connect(note, sender=BrokerMessage)
    try:
        assert ack(consumer, message_id).removed
    finally:
        post_delete.disconnect(note, sender=BrokerMessage)
    assert gone == [row.pk]
    assert BrokerMessage.objects.count() == 1


@pytest.mark.parametrize(
    ("policy", "is_written"), [("cache", False), ("cacheall", False), ("store", True)]
)
def test_an_acknowledgement_that_removes_is_not_written(
    policy: str, is_written: bool, make_topic: MakeTopic, producer: User, consumer: User
) -> None:
    """It would be removed in the same transaction."""
    BrokerTopic.objects.update(store_messages=policy)
    message_id = send(producer).message.message_id
    with CaptureQueriesContext(connection) as captured:
        assert ack(consumer, message_id).removed is not is_written
    table = Acknowledgement._meta.db_table
    inserts = [each for each in captured.captured_queries if f'INTO "{table}"' in each["sql"]]
    assert bool(inserts) is is_written
