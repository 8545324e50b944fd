"""The query `messages`: what a topic stores, for its consumers."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User

from dasf_broker import database
from dasf_broker.domain.cursors import encode_cursor, message_cursor
from dasf_broker.domain.envelope import MessageType
from dasf_broker.models import BrokerTopic
from dasf_broker.operations.acknowledge import Acknowledging, acknowledge
from dasf_broker.operations.caller import Caller
from tests.conftest import MakeTopic
from tests.doors.clients import GraphQLClient, is_refusal
from tests.doors.conftest import Publish

pytestmark = pytest.mark.django_db(transaction=True)

MESSAGES = """
query (
  $topic: String! = "topic", $filter: MessageFilter, $order: MessageOrder! = OLDEST
  $first: Int, $after: String, $last: Int, $before: String
) {
  messages(
    topic: $topic, filter: $filter, order: $order
    first: $first, after: $after, last: $last, before: $before
  ) {
    edges { cursor node { text cursor } }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
  }
}
"""


@pytest.fixture(autouse=True)
def three_messages(
    topic: BrokerTopic, producer: User, consumer: User, publish_text: Publish
) -> None:
    """Publish a request, a log line, and a request that is acknowledged."""
    BrokerTopic.objects.filter(pk=topic.pk).update(store_messages="store")
    publish_text(producer, topic, "a", context=7)
    publish_text(producer, topic, "b", message_type=MessageType.LOG)
    done = publish_text(producer, topic, "c")
    acknowledge(Acknowledging(Caller.of(consumer), "topic", done.message.message_id))


async def test_messages_in_order(client: GraphQLClient, consumer: User) -> None:
    """Messages come as they were published, or the other way round."""
    assert await _texts(client, consumer) == ["a", "b", "c"]
    assert await _texts(client, consumer, order="NEWEST") == ["c", "b", "a"]


async def test_edges_and_messages_have_the_same_cursor(
    client: GraphQLClient, consumer: User
) -> None:
    """An edge's cursor may be used wherever the message's may."""
    page = await client.value(MESSAGES, as_=consumer)
    assert [edge["cursor"] for edge in page["edges"]] == [
        edge["node"]["cursor"] for edge in page["edges"]
    ]


@pytest.mark.parametrize("order", ["OLDEST", "NEWEST"])
async def test_pages(client: GraphQLClient, consumer: User, order: str) -> None:
    """Page by page one gets the same list as at once."""
    first = await client.value(MESSAGES, {"order": order, "first": 2}, as_=consumer)
    assert first["pageInfo"]["hasNextPage"] is True
    after = first["pageInfo"]["endCursor"]
    rest = await client.value(MESSAGES, {"order": order, "after": after}, as_=consumer)
    assert rest["pageInfo"]["hasNextPage"] is False
    texts = [edge["node"]["text"] for edge in first["edges"] + rest["edges"]]
    assert texts == await _texts(client, consumer, order=order)
    assert await _texts(client, consumer, order=order, last=1, before=after) == texts[:1]


@pytest.mark.parametrize(
    ("narrowing", "expected"),
    [
        ({"messageTypeIn": ["LOG", "PING"]}, ["b"]),
        ({"context": 7}, ["a"]),
        ({"acknowledged": True}, ["c"]),
        ({"acknowledged": False}, ["a", "b"]),
        ({"publishedSince": "2000-01-01T00:00:00Z"}, ["a", "b", "c"]),
        ({"publishedBefore": "2000-01-01T00:00:00Z"}, []),
        ({"messageTypeIn": ["REQUEST"], "acknowledged": True}, ["c"]),
    ],
    ids=str,
)
async def test_filter(
    client: GraphQLClient, consumer: User, narrowing: dict[str, Any], expected: list[str]
) -> None:
    """A filter keeps the messages for which all of it holds."""
    assert await _texts(client, consumer, filter=narrowing) == expected


async def test_who_may_not_consume_is_refused(
    client: GraphQLClient, producer: User, stranger: User
) -> None:
    """A producer sees the topic and is refused; a stranger is told of no topic."""
    assert is_refusal(await client.refusal(MESSAGES, as_=producer), "FORBIDDEN")
    assert is_refusal(await client.refusal(MESSAGES, as_=stranger), "NOT_FOUND")
    assert is_refusal(await client.refusal(MESSAGES), "NOT_FOUND")


async def test_cursor_of_another_topic_is_refused(
    client: GraphQLClient, consumer: User, make_topic: MakeTopic
) -> None:
    """A cursor belongs to one topic."""
    other = await database.write(make_topic, "other")
    cursor = message_cursor(other.pk, 1, other.epoch)
    error = await client.refusal(MESSAGES, {"after": cursor}, as_=consumer)
    assert is_refusal(error, "BAD_INPUT", "after")


@pytest.mark.parametrize(
    ("variables", "field"),
    [
        ({"topic": "no slug"}, "topic"),
        ({"first": -1}, "first"),
        ({"first": 501}, "first"),
        ({"last": 501}, "last"),
        ({"before": "garbage"}, "before"),
        ({"after": encode_cursor(1, -1)}, "after"),
        ({"after": encode_cursor(1, 2**70)}, "after"),
        ({"filter": {"messageTypeIn": ["LOG"] * 101}}, "messageTypeIn"),
        ({"filter": {"messageTypeIn": ["GOSSIP"]}}, None),
        ({"filter": {"publishedSince": "yesterday"}}, None),
        ({"filter": {"context": 1.5}}, None),
    ],
    ids=ascii,
)
async def test_bad_input(
    client: GraphQLClient, consumer: User, variables: dict[str, Any], field: str | None
) -> None:
    """What cannot be meant is refused, with the name of the argument where the broker knows it."""
    error = await client.refusal(MESSAGES, variables, as_=consumer)
    assert is_refusal(error, "BAD_INPUT", field)


async def test_time_without_zone_filters(client: GraphQLClient, consumer: User) -> None:
    """A time without a zone is taken as UTC."""
    narrowing = {"publishedSince": "2000-01-01T00:00:00"}
    assert await _texts(client, consumer, filter=narrowing) == ["a", "b", "c"]


async def _texts(client: GraphQLClient, user: User, **variables: Any) -> list[str]:
    page = await client.value(MESSAGES, variables, as_=user)
    return [edge["node"]["text"] for edge in page["edges"]]
