"""What deleting a user does with messages and acknowledgements, done before and in small steps."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from dasf_broker import detach_user
from dasf_broker.models import Acknowledgement, BrokerMessage, BrokerTopic, RememberedMessage
from dasf_broker.operations.storage import users
from tests.operations.helpers import ack, send_many

pytestmark = pytest.mark.django_db


def test_nothing_is_left_for_the_deletion(
    topic: BrokerTopic, producer: User, consumer: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rows of others stay, and each transaction is small."""
    monkeypatch.setattr(users, "STEP", 3)
    for message_id in send_many(producer, 4):
        ack(consumer, message_id)
    BrokerTopic.objects.update(store_messages="store")
    for message_id in send_many(producer, 10):
        ack(consumer, message_id)
    with CaptureQueriesContext(connection) as captured:
        assert detach_user(consumer) == 10
    deletions = [query["sql"] for query in captured if query["sql"].startswith("DELETE")]
    assert len(deletions) == 4  # of ten rows, three at a time
    assert detach_user(producer) == 14
    assert (detach_user(producer), detach_user(consumer)) == (0, 0)
    assert not Acknowledgement.objects.exists()
    for model in (BrokerMessage, RememberedMessage):
        assert {row.user_id for row in model.objects.all()} == {None}
    producer.delete()
    assert BrokerMessage.objects.count() == 10
