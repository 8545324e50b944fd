"""The mutation `publishMessage`: what it answers, and that what it refuses is not stored."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import Permission, User
from pytest_django import Settings

from dasf_broker import database
from dasf_broker.models import BrokerMessage, BrokerTopic
from tests.conftest import MakeTopic
from tests.doors.clients import GraphQLClient, is_refusal

pytestmark = pytest.mark.django_db(transaction=True)

PUBLISH = """
mutation ($input: PublishMessageInput!) {
  publishMessage(input: $input) {
    status topicCreated responseTopic
    message { messageId text data payload messageType context cursor responseTopic }
  }
}
"""


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"text": "grüße"}, {"text": "grüße", "data": None}),
        ({"text": ""}, {"text": "", "data": None, "payload": ""}),
        ({"data": {"a": [1, 2.5, None]}}, {"data": {"a": [1, 2.5, None]}}),
        ({"data": 0}, {"data": 0, "text": "0"}),
        ({"data": False}, {"data": False, "text": "false"}),
        ({"payload": "aGk="}, {"payload": "aGk=", "text": "hi"}),
        ({}, {"payload": "", "text": "", "data": None}),
        ({"data": None, "text": None, "payload": "aGk="}, {"text": "hi"}),
        ({"messageType": "PROGRESS", "context": -5}, {"messageType": "PROGRESS", "context": -5}),
    ],
    ids=ascii,
)
async def test_bodies(
    client: GraphQLClient,
    topic: BrokerTopic,
    producer: User,
    body: dict[str, Any],
    expected: dict[str, Any],
) -> None:
    """A body comes as JSON, as text or as base64, and can be read in all three ways."""
    done = await _publish(client, producer, **body)
    assert (done["status"], done["topicCreated"]) == ("STORED", False)
    assert {name: done["message"][name] for name in expected} == expected
    assert await _stored() == 1


async def test_unstored_topic(
    client: GraphQLClient, producer: User, topic: BrokerTopic, settings: Settings
) -> None:
    """Where nothing is stored, a message is sent and has no cursor."""
    settings.DASF_STORE_MESSAGES = "disabled"
    done = await _publish(client, producer, text="gone")
    assert (done["status"], done["message"]["cursor"]) == ("SENT", None)
    assert await _stored() == 0


async def test_same_message_twice_is_one(
    client: GraphQLClient, topic: BrokerTopic, producer: User
) -> None:
    """The same id with the same body is answered with the first message."""
    message_id = str(uuid4())
    first = await _publish(client, producer, messageId=message_id, text="a")
    again = await _publish(client, producer, messageId=message_id, text="a")
    assert first["message"]["messageId"] == message_id
    assert (first["status"], again["status"]) == ("STORED", "DUPLICATE")
    assert again["message"] == first["message"]
    assert await _stored() == 1


async def test_id_of_another_message_conflicts(
    client: GraphQLClient, topic: BrokerTopic, producer: User, superuser: User
) -> None:
    """The same id with another body, or by another user, is a conflict."""
    message_id = str(uuid4())
    await _publish(client, producer, messageId=message_id, text="a")
    for user, text in ((producer, "b"), (superuser, "a")):
        error = await _refused(client, user, messageId=message_id, text=text)
        assert is_refusal(error, "CONFLICT")
    assert await _stored() == 1


async def test_same_id_in_two_topics(
    client: GraphQLClient, topic: BrokerTopic, superuser: User, make_topic: MakeTopic
) -> None:
    """An id is a message's within its topic."""
    await database.write(make_topic, "other")
    message_id = str(uuid4())
    for slug in ("topic", "other"):
        done = await _publish(client, superuser, topic=slug, messageId=message_id)
        assert done["status"] == "STORED"


async def test_message_creates_topic(
    client: GraphQLClient, stranger: User, settings: Settings
) -> None:
    """A message to an unknown topic creates it, for who may add topics, if the server does that."""

    def allow() -> None:
        stranger.user_permissions.add(Permission.objects.get(codename="add_brokertopic"))

    await database.write(allow)
    done = await _publish(client, stranger, topic="fresh")
    assert (done["status"], done["topicCreated"]) == ("STORED", True)
    settings.DASF_CREATE_TOPIC_ON_MESSAGE = False
    assert is_refusal(await _refused(client, stranger, topic="fresher"), "NOT_FOUND")


async def test_response_topic(
    client: GraphQLClient, topic: BrokerTopic, producer: User, make_topic: MakeTopic
) -> None:
    """A request may say where answers go; a name that is taken is a conflict."""
    done = await _publish(client, producer, responseTopic="topic_answers")
    assert done["responseTopic"] == done["message"]["responseTopic"] == "topic_answers"
    await database.write(make_topic, "topic_taken")
    assert is_refusal(await _refused(client, producer, responseTopic="topic_taken"), "CONFLICT")
    assert await _stored() == 1


async def test_rights(
    client: GraphQLClient, consumer: User, stranger: User, make_topic: MakeTopic
) -> None:
    """Who may see a topic but not publish is refused; who may not see it hears of no topic."""
    assert is_refusal(await _refused(client, consumer), "FORBIDDEN")
    assert is_refusal(await _refused(client, stranger), "NOT_FOUND")
    assert is_refusal(await _refused(client, None), "NOT_FOUND")
    await database.write(make_topic, "open", is_public=True)
    assert (await _publish(client, None, topic="open"))["status"] == "STORED"
    assert await _stored() == 1


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"topic": "no slug"}, "topic"),
        ({"topic": ""}, "topic"),
        ({"topic": "x" * 129}, "topic"),
        ({"topic": "topic\n"}, "topic"),
        ({"data": 1, "text": "a"}, "text"),
        ({"text": "a", "payload": "aGk="}, "payload"),
        ({"payload": "not base64!"}, "payload"),
        ({"payload": "aGk"}, "payload"),
        ({"payload": "é"}, "payload"),
        ({"text": "half \ud800"}, "text"),
        ({"data": {"half": "\ud800"}}, "data"),
        ({"data": float("nan")}, "data"),
        ({"properties": [1]}, "properties"),
        ({"properties": "text"}, "properties"),
        ({"properties": {"nul": "\0"}}, "properties"),
        ({"properties": {"half": "\ud800"}}, "properties"),
        ({"responseTopic": "no slug"}, "responseTopic"),
        ({"responseTopic": "x" * 129}, "responseTopic"),
        ({"messageId": "nonsense"}, None),
        ({"messageType": "GOSSIP"}, None),
        ({"messageType": None}, None),
        ({"context": 2**31}, None),
        ({"unknown": 1}, None),
    ],
    ids=ascii,
)
async def test_bad_input(
    client: GraphQLClient,
    topic: BrokerTopic,
    producer: User,
    wrong: dict[str, Any],
    field: str | None,
) -> None:
    """What cannot be a message is refused, and nothing is stored."""
    assert is_refusal(await _refused(client, producer, **wrong), "BAD_INPUT", field)
    assert await _stored() == 0


async def test_literal_id_that_is_no_uuid(
    client: GraphQLClient, topic: BrokerTopic, producer: User
) -> None:
    """An id that is written into the document is checked as well."""
    query = 'mutation { publishMessage(input: {topic: "topic", messageId: "x"}) { status } }'
    assert is_refusal(await client.refusal(query, as_=producer), "BAD_INPUT")


@pytest.mark.parametrize(
    "large", [{"text": "x" * 200}, {"properties": {"a": "x" * 200}}, {"payload": "A" * 400}]
)
async def test_message_that_is_too_large(
    client: GraphQLClient,
    topic: BrokerTopic,
    producer: User,
    settings: Settings,
    large: dict[str, Any],
) -> None:
    """A message above the limit is refused with the limit."""
    settings.DASF_MAX_MESSAGE_SIZE = 200
    error = await _refused(client, producer, **large)
    assert is_refusal(error, "PAYLOAD_TOO_LARGE")
    assert error["extensions"]["limit"] == 200
    assert await _stored() == 0


async def _publish(client: GraphQLClient, user: User | None, **parts: Any) -> Any:
    return await client.value(PUBLISH, {"input": {"topic": "topic", **parts}}, as_=user)


async def _refused(client: GraphQLClient, user: User | None, **parts: Any) -> dict[str, Any]:
    return await client.refusal(PUBLISH, {"input": {"topic": "topic", **parts}}, as_=user)


async def _stored() -> int:
    return await database.read(BrokerMessage.objects.count)
