"""The query `topic`: one topic, with everything that its viewers may know."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User

from dasf_broker import database
from dasf_broker.models import BrokerTopic
from dasf_broker.permissions import Right
from tests.conftest import MakeTopic, MakeUser
from tests.doors.clients import GraphQLClient, is_refusal
from tests.doors.conftest import Publish

pytestmark = pytest.mark.django_db(transaction=True)

TOPIC = """
query ($slug: String!) {
  topic(slug: $slug) {
    __typename slug isPublic supportsDasf storeMessages effectiveStoreMessages
    garbageCollectOn apiInfo isResponseTopic websocketUrl
    availability { status isOnline lastPing lastPong roundTripTime }
    permissions {
      canProduce canConsume canViewStatus canPing canPong canChange canDelete
    }
    messages { edges { node { text } } }
    outstandingMessages { edges { node { text } } }
    outstandingCount
    consumers { username }
    producers { username }
    statusViewers { username }
    ... on BrokerTopic { responseTopics { edges { node { slug } } } }
    ... on ResponseTopic {
      isResponseFor { slug }
      sourceMessages { edges { node { text } } }
    }
  }
}
"""


async def test_consumer_sees_topic_and_messages(
    client: GraphQLClient,
    topic: BrokerTopic,
    producer: User,
    consumer: User,
    publish_text: Publish,
) -> None:
    """A consumer sees all of a topic but the lists of people."""
    await database.write(publish_text, producer, topic, "hello")
    assert await client.value(TOPIC, {"slug": "topic"}, as_=consumer) == {
        "__typename": "BrokerTopic",
        "slug": "topic",
        "isPublic": False,
        "supportsDasf": True,
        "storeMessages": None,
        "effectiveStoreMessages": "CACHE",
        "garbageCollectOn": None,
        "apiInfo": None,
        "isResponseTopic": False,
        "websocketUrl": "ws://testserver/ws/topic",
        "availability": {
            "status": "UNKNOWN",
            "isOnline": None,
            "lastPing": None,
            "lastPong": None,
            "roundTripTime": None,
        },
        "permissions": _permissions("canConsume", "canViewStatus", "canPong"),
        "messages": _texts("hello"),
        "outstandingMessages": _texts("hello"),
        "outstandingCount": 1,
        "consumers": [],
        "producers": [],
        "statusViewers": [],
        "responseTopics": {"edges": []},
    }


async def test_response_topic_shows_its_requests(
    client: GraphQLClient,
    topic: BrokerTopic,
    producer: User,
    consumer: User,
    publish_text: Publish,
) -> None:
    """The owner of a response topic sees what it answers; the module sees its response topics."""
    await database.write(publish_text, producer, topic, "ask", response_topic="topic_answers")
    answers = await client.value(TOPIC, {"slug": "topic_answers"}, as_=producer)
    assert answers["__typename"] == "ResponseTopic"
    assert answers["isResponseTopic"] is True
    assert answers["isResponseFor"] == {"slug": "topic"}
    assert answers["sourceMessages"] == _texts("ask")
    asked = await client.value(TOPIC, {"slug": "topic"}, as_=consumer)
    assert asked["responseTopics"] == {"edges": [{"node": {"slug": "topic_answers"}}]}


async def test_manager_sees_people(
    client: GraphQLClient, topic: BrokerTopic, producer: User, consumer: User, manager: User
) -> None:
    """Who may change a topic sees who holds rights on it."""
    seen = await client.value(TOPIC, {"slug": "topic"}, as_=manager)
    assert seen["consumers"] == [{"username": "consumer"}]
    assert seen["producers"] == [{"username": "producer"}]
    assert seen["statusViewers"] == []
    assert seen["permissions"] == _permissions("canViewStatus", "canChange", "canDelete")


@pytest.mark.parametrize("right", [Right.PRODUCE, Right.VIEW_STATUS, Right.CHANGE])
async def test_others_see_no_messages(
    client: GraphQLClient,
    topic: BrokerTopic,
    producer: User,
    consumer: User,
    make_user: MakeUser,
    publish_text: Publish,
    right: Right,
) -> None:
    """Who may not consume sees the topic, but neither messages nor their number."""
    viewer = await database.write(make_user, "viewer", topic, right)
    await database.write(publish_text, producer, topic, "secret")
    seen = await client.value(TOPIC, {"slug": "topic"}, as_=viewer)
    assert seen["messages"] == {"edges": []}
    assert seen["outstandingMessages"] == {"edges": []}
    assert seen["outstandingCount"] == 0
    if right is not Right.CHANGE:
        assert (seen["consumers"], seen["producers"]) == ([], [])


async def test_anonymous_sees_public_topics_only(
    client: GraphQLClient, topic: BrokerTopic, make_topic: MakeTopic
) -> None:
    """Who has no account sees public topics, and may publish to and ping them."""
    await database.write(make_topic, "open", is_public=True)
    seen = await client.value(TOPIC, {"slug": "open"})
    assert seen["permissions"] == _permissions("canProduce", "canViewStatus", "canPing")
    assert is_refusal(await client.refusal(TOPIC, {"slug": "topic"}), "NOT_FOUND")


@pytest.mark.parametrize("slug", ["", "no spaces", "ünïcode", "new\nline", "line\n", "x" * 129])
async def test_slug_is_checked(client: GraphQLClient, slug: str) -> None:
    """What cannot be a slug is bad input."""
    assert is_refusal(await client.refusal(TOPIC, {"slug": slug}), "BAD_INPUT", "slug")


async def test_longest_slug_is_found(client: GraphQLClient, make_topic: MakeTopic) -> None:
    """A slug of 128 characters is one."""
    await database.write(make_topic, "x" * 128, is_public=True)
    seen = await client.value(TOPIC, {"slug": "x" * 128})
    assert seen["slug"] == "x" * 128


def _permissions(*held: str) -> dict[str, bool]:
    every = "canProduce canConsume canViewStatus canPing canPong canChange canDelete"
    return {name: name in held for name in every.split()}


def _texts(*texts: str) -> dict[str, Any]:
    return {"edges": [{"node": {"text": text}} for text in texts]}
