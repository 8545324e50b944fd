"""The query `node`: topics and messages by their global id."""

from __future__ import annotations

import base64

import pytest
from django.contrib.auth.models import User

from dasf_broker import database
from dasf_broker.models import BrokerTopic
from tests.doors.clients import GraphQLClient, is_refusal
from tests.doors.conftest import Publish

pytestmark = pytest.mark.django_db(transaction=True)

NODE = """
query ($id: ID!) {
  node(id: $id) { __typename id ... on Topic { slug } ... on Message { text } }
}
"""
IDS = """
{ topic(slug: "topic") { id messages { edges { node { id } } } } }
"""


async def test_ids_lead_back(
    client: GraphQLClient,
    topic: BrokerTopic,
    producer: User,
    consumer: User,
    publish_text: Publish,
) -> None:
    """The ids of a topic and of a message lead back to them."""
    await database.write(publish_text, producer, topic, "hello", response_topic="topic_answers")
    found = await client.value(IDS, as_=consumer)
    [message] = [edge["node"]["id"] for edge in found["messages"]["edges"]]
    assert await client.value(NODE, {"id": found["id"]}, as_=consumer) == {
        "__typename": "BrokerTopic",
        "id": found["id"],
        "slug": "topic",
    }
    assert await client.value(NODE, {"id": message}, as_=consumer) == {
        "__typename": "Message",
        "id": message,
        "text": "hello",
    }


async def test_response_topic_has_an_id(
    client: GraphQLClient, topic: BrokerTopic, producer: User, publish_text: Publish
) -> None:
    """A response topic is found by its id, and only as what it is."""
    await database.write(publish_text, producer, topic, "ask", response_topic="topic_answers")
    found = await client.value('{ topic(slug: "topic_answers") { id } }', as_=producer)
    seen = await client.value(NODE, {"id": found["id"]}, as_=producer)
    assert (seen["__typename"], seen["slug"]) == ("ResponseTopic", "topic_answers")
    wrong_kind = base64.b64decode(found["id"]).decode().replace("ResponseTopic", "BrokerTopic")
    assert await client.value(NODE, {"id": _encoded(wrong_kind)}, as_=producer) is None


async def test_hidden_and_missing_are_alike(
    client: GraphQLClient,
    topic: BrokerTopic,
    producer: User,
    consumer: User,
    stranger: User,
    publish_text: Publish,
) -> None:
    """What one may not see is null, as what does not exist."""
    await database.write(publish_text, producer, topic)
    found = await client.value(IDS, as_=consumer)
    hidden = [found["id"], *(edge["node"]["id"] for edge in found["messages"]["edges"])]
    missing = [
        _encoded("BrokerTopic:999999"),
        _encoded("Message:999999:00000000-0000-4000-8000-000000000000"),
        _encoded(f"Message:{topic.pk}:00000000-0000-4000-8000-000000000000"),
    ]
    for node_id in (*hidden, *missing):
        answer = await client.execute(NODE, {"id": node_id}, as_=stranger)
        assert (answer["data"], answer["errors"]) == ({"node": None}, []), node_id


@pytest.mark.parametrize(
    "wrong", ["", "garbage", "é", "half \ud800", "QnJva2VyVG9waWM="], ids=ascii
)
async def test_what_cannot_be_read_is_bad_input(client: GraphQLClient, wrong: str) -> None:
    """A text that is no global id is bad input."""
    assert is_refusal(await client.refusal(NODE, {"id": wrong}), "BAD_INPUT")


@pytest.mark.parametrize(
    "wrong",
    [
        "BrokerTopic:",
        "BrokerTopic:x",
        "BrokerTopic:-1",
        "BrokerTopic:9999999999999999999",
        "BrokerTopic:" + "9" * 500,
        "Message:1",
        "Message:1:nonsense",
        "Message:9999999999999999999:00000000-0000-4000-8000-000000000000",
        "User:1",
        "PageInfo:1",
        "Nothing:1",
        "Node:1",
        "Query:1",
        "String:1",
        "StoragePolicy:1",
    ],
    ids=lambda text: text[:32],
)
async def test_what_names_nothing_is_bad_input(client: GraphQLClient, wrong: str) -> None:
    """A global id that the broker never gave is bad input."""
    assert is_refusal(await client.refusal(NODE, {"id": _encoded(wrong)}), "BAD_INPUT", "id")


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
