"""The query `message`, and every field of a message."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import User

from dasf_broker import database
from dasf_broker.domain.cursors import message_cursor
from dasf_broker.domain.envelope import MessageType
from dasf_broker.models import BrokerTopic
from dasf_broker.operations.acknowledge import Acknowledging, acknowledge
from dasf_broker.operations.caller import Caller
from dasf_broker.permissions import Right
from tests.conftest import MakeUser
from tests.doors.clients import GraphQLClient, is_refusal
from tests.doors.conftest import Publish

pytestmark = pytest.mark.django_db(transaction=True)

MESSAGE = """
query ($topic: String! = "topic", $id: UUID!) {
  message(topic: $topic, messageId: $id) {
    messageId topic { slug } messageType properties payload data text content context cursor
    user { username } isResponse responseTopic missed
    deliveredTo { username } deliveredToAll acknowledged
  }
}
"""


async def test_every_field(
    client: GraphQLClient,
    topic: BrokerTopic,
    producer: User,
    consumer: User,
    publish_text: Publish,
) -> None:
    """A consumer reads a message with all that the producer said."""
    done = await database.write(
        publish_text,
        producer,
        topic,
        '{"a": 1}',
        properties={"own": [1, None]},
        message_type=MessageType.LOG,
        response_topic="topic_answers",
        context=3,
    )
    message_id = str(done.message.message_id)
    properties = {
        "own": [1, None],
        "messageType": "log",
        "response_topic": "topic_answers",
        "requestContext": 3,  # which backend modules want to see
    }
    assert await client.value(MESSAGE, {"id": message_id}, as_=consumer) == {
        "messageId": message_id,
        "topic": {"slug": "topic"},
        "messageType": "LOG",
        "properties": properties,
        "payload": "eyJhIjogMX0=",
        "data": {"a": 1},
        "text": '{"a": 1}',
        "content": {
            "messageId": message_id,
            "properties": properties,
            "payload": "eyJhIjogMX0=",
            "context": 3,
        },
        "context": 3,
        "cursor": message_cursor(topic.pk, 1, topic.epoch),
        "user": {"username": "producer"},
        "isResponse": False,
        "responseTopic": "topic_answers",
        "missed": 0,
        "deliveredTo": [],
        "deliveredToAll": False,
        "acknowledged": False,
    }


async def test_acknowledged_is_the_viewers(
    client: GraphQLClient,
    topic: BrokerTopic,
    producer: User,
    consumer: User,
    make_user: MakeUser,
    publish_text: Publish,
) -> None:
    """Each viewer sees what they acknowledged; only managers see who else did."""
    await _keep(topic)
    boss = await database.write(make_user, "boss", topic, Right.CONSUME, Right.CHANGE)
    done = await database.write(publish_text, producer, topic)
    variables = {"id": str(done.message.message_id)}
    item = Acknowledging(Caller.of(consumer), "topic", done.message.message_id)
    await database.write(acknowledge, item)
    expected: dict[User, tuple[bool, list[str]]] = {
        consumer: (True, ["consumer"]),
        boss: (False, ["consumer"]),
        producer: (False, []),
    }
    for viewer, (acknowledged, names) in expected.items():
        seen = await client.value(MESSAGE, variables, as_=viewer)
        assert seen["acknowledged"] is acknowledged
        assert [user["username"] for user in seen["deliveredTo"]] == names
        assert seen["deliveredToAll"] is False
    await database.write(acknowledge, Acknowledging(Caller.of(boss), "topic", item.message_id))
    assert (await client.value(MESSAGE, variables, as_=boss))["deliveredToAll"] is True


async def test_body_that_is_no_text(
    client: GraphQLClient, topic: BrokerTopic, producer: User, publish_text: Publish
) -> None:
    """A body that is not UTF-8 is neither text nor data."""
    done = await database.write(
        publish_text, producer, topic, text=None, payload="/////w==", context=None
    )
    seen = await client.value(MESSAGE, {"id": str(done.message.message_id)}, as_=producer)
    assert (seen["payload"], seen["text"], seen["data"]) == ("/////w==", None, None)


async def test_producer_reads_only_their_own(
    client: GraphQLClient,
    topic: BrokerTopic,
    producer: User,
    make_user: MakeUser,
    publish_text: Publish,
) -> None:
    """A producer may read what they published, and nothing of others."""
    other = await database.write(make_user, "other", topic, Right.PRODUCE)
    done = await database.write(publish_text, producer, topic, "mine")
    variables = {"id": str(done.message.message_id)}
    assert (await client.value(MESSAGE, variables, as_=producer))["text"] == "mine"
    assert await client.value(MESSAGE, variables, as_=other) is None


async def test_unknown_message_is_null(
    client: GraphQLClient, topic: BrokerTopic, consumer: User
) -> None:
    """A message that does not exist, or not any more, is null."""
    assert await client.value(MESSAGE, {"id": str(uuid4())}, as_=consumer) is None


async def test_right_to_see_is_not_enough(
    client: GraphQLClient, topic: BrokerTopic, make_user: MakeUser
) -> None:
    """Who may only see the status is refused."""
    viewer = await database.write(make_user, "viewer", topic, Right.VIEW_STATUS)
    error = await client.refusal(MESSAGE, {"id": str(uuid4())}, as_=viewer)
    assert is_refusal(error, "FORBIDDEN")


@pytest.mark.parametrize("wrong", ["nonsense", "", 1, None, ["x"]], ids=repr)
async def test_variable_that_is_no_uuid(
    client: GraphQLClient, topic: BrokerTopic, consumer: User, wrong: Any
) -> None:
    """An id that is not a UUID is bad input."""
    assert is_refusal(await client.refusal(MESSAGE, {"id": wrong}, as_=consumer), "BAD_INPUT")


async def test_literal_that_is_no_uuid(
    client: GraphQLClient, topic: BrokerTopic, consumer: User
) -> None:
    """So it is where it is written into the document."""
    query = '{ message(topic: "topic", messageId: "nonsense") { text } }'
    assert is_refusal(await client.refusal(query, as_=consumer), "BAD_INPUT")


async def test_slug_is_checked(client: GraphQLClient, consumer: User) -> None:
    """What cannot be a slug is bad input."""
    variables = {"topic": "no slug", "id": str(uuid4())}
    assert is_refusal(await client.refusal(MESSAGE, variables, as_=consumer), "BAD_INPUT", "topic")


async def _keep(topic: BrokerTopic) -> None:
    """Let the topic keep its messages for ever."""
    await database.write(
        lambda: BrokerTopic.objects.filter(pk=topic.pk).update(store_messages="store")
    )
