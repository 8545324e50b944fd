"""`publishMessage` sent again, when the first message is gone or the topic is full."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from pytest_django import Settings

from dasf_broker import database
from dasf_broker.models import BrokerMessage, BrokerTopic
from dasf_broker.operations.storage.removal import purge_messages
from dasf_broker.permissions import Right, grant
from tests.doors.clients import GraphQLClient, is_refusal

pytestmark = pytest.mark.django_db(transaction=True)

PUBLISH = """
mutation ($input: PublishMessageInput!) {
  publishMessage(input: $input) {
    status topicCreated responseTopic
    message {
      id messageId messageType properties payload data text content context cursor publishTime
      isResponse responseTopic missed acknowledged deliveredToAll
      user { username } topic { slug outstandingCount } deliveredTo { username }
    }
  }
}
"""
PUBLISH_MANY = """
mutation ($inputs: [PublishMessageInput!]!) {
  publishMessages(inputs: $inputs) { results { status error { code field } message { text } } }
}
"""
ACKNOWLEDGE = """
mutation ($id: UUID!) { acknowledgeMessage(topic: "topic", messageId: $id) { status removed } }
"""


@pytest.mark.parametrize("removed_by", ["acknowledgement", "purge"])
async def test_retry_of_what_is_gone(
    client: GraphQLClient, topic: BrokerTopic, producer: User, removed_by: str
) -> None:
    """It is answered with the first message, which nobody has acknowledged any more."""
    message_id = str(uuid4())
    retry = {"messageId": message_id, "data": {"a": 1.5e17}, "responseTopic": "topic_answers"}
    await database.write(grant, producer, topic, Right.CONSUME)
    first = await _publish(client, producer, **retry)
    if removed_by == "purge":
        await database.write(purge_messages, [topic])
    else:
        done = await client.value(ACKNOWLEDGE, {"id": message_id}, as_=producer)
        assert done == {"status": "ACKNOWLEDGED", "removed": True}
    again = await _publish(client, producer, **retry)
    assert (first.pop("status"), again.pop("status")) == ("STORED", "DUPLICATE")
    assert first["message"]["topic"].pop("outstandingCount") == 1
    assert again["message"]["topic"].pop("outstandingCount") == 0
    assert again == first
    assert again["message"]["deliveredTo"] == []
    assert again["message"]["acknowledged"] is False
    assert await _stored() == 0


async def test_id_of_what_is_gone_conflicts(
    client: GraphQLClient, topic: BrokerTopic, producer: User, superuser: User
) -> None:
    """For another body, or another user; the topic for its answers is not created."""
    message_id = str(uuid4())
    await _publish(client, producer, messageId=message_id, text="a")
    await database.write(purge_messages, [topic])
    for user, text in ((producer, "b"), (superuser, "a")):
        parts = {"messageId": message_id, "text": text, "responseTopic": "topic_answers"}
        assert is_refusal(await _refused(client, user, **parts), "CONFLICT")
    assert await database.read(BrokerTopic.objects.count) == 1


async def test_full_topic(
    client: GraphQLClient, topic: BrokerTopic, producer: User, settings: Settings
) -> None:
    """It takes no more, says which topic and how many it holds, and creates nothing."""
    settings.DASF_MAX_BACKLOG = 1
    first = {"messageId": str(uuid4()), "text": "first"}
    await _publish(client, producer, **first)
    error = await _refused(client, producer, text="second", responseTopic="topic_answers")
    assert error["extensions"] == {"code": "TOPIC_FULL", "topic": "topic", "limit": 1}
    assert "'topic'" in error["message"]
    assert (await _publish(client, producer, **first))["status"] == "DUPLICATE"
    assert (await _stored(), await database.read(BrokerTopic.objects.count)) == (1, 1)


async def test_topic_that_fills_up(
    client: GraphQLClient, topic: BrokerTopic, producer: User, settings: Settings
) -> None:
    """Of several messages those that fit are published."""
    settings.DASF_MAX_BACKLOG = 2
    inputs = [{"topic": "topic", "text": str(number)} for number in range(3)]
    done = await client.value(PUBLISH_MANY, {"inputs": inputs}, as_=producer)
    assert done["results"] == [
        {"status": "STORED", "error": None, "message": {"text": "0"}},
        {"status": "STORED", "error": None, "message": {"text": "1"}},
        {"status": None, "error": {"code": "TOPIC_FULL", "field": None}, "message": None},
    ]
    assert await _stored() == 2


async def _publish(client: GraphQLClient, user: User, **parts: Any) -> Any:
    return await client.value(PUBLISH, {"input": {"topic": "topic", **parts}}, as_=user)


async def _refused(client: GraphQLClient, user: User, **parts: Any) -> dict[str, Any]:
    return await client.refusal(PUBLISH, {"input": {"topic": "topic", **parts}}, as_=user)


async def _stored() -> int:
    return await database.read(BrokerMessage.objects.count)
