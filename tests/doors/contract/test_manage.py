"""The mutations `createTopic`, `updateTopic` and `deleteTopic`."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Permission, User

from dasf_broker import database
from dasf_broker.models import BrokerMessage, BrokerTopic
from tests.doors.clients import GraphQLClient, is_refusal
from tests.doors.conftest import Publish

pytestmark = pytest.mark.django_db(transaction=True)

TOPIC = """topic { slug isPublic supportsDasf storeMessages
  permissions { canProduce canConsume canViewStatus canChange canDelete } }"""
CREATE = f"mutation ($input: CreateTopicInput!) {{ createTopic(input: $input) {{ {TOPIC} }} }}"
UPDATE = f"mutation ($input: UpdateTopicInput!) {{ updateTopic(input: $input) {{ {TOPIC} }} }}"
DELETE = "mutation ($topic: String!) { deleteTopic(topic: $topic) { slug } }"


@pytest.fixture
def creator(stranger: User) -> User:
    """Return a user who may add topics."""
    stranger.user_permissions.add(Permission.objects.get(codename="add_brokertopic"))
    return stranger


async def test_create(client: GraphQLClient, creator: User) -> None:
    """Who creates a topic may do everything with it but consume."""
    done = await client.value(CREATE, {"input": {"slug": "fresh"}}, as_=creator)
    assert done["topic"] == {
        "slug": "fresh",
        "isPublic": False,
        "supportsDasf": True,
        "storeMessages": None,
        "permissions": {
            "canProduce": True,
            "canConsume": False,
            "canViewStatus": True,
            "canChange": True,
            "canDelete": True,
        },
    }


async def test_create_with_choices(client: GraphQLClient, creator: User) -> None:
    """All that can be chosen is kept."""
    chosen = {"slug": "x" * 128, "isPublic": True, "supportsDasf": False, "storeMessages": "STORE"}
    done = await client.value(CREATE, {"input": chosen}, as_=creator)
    assert {name: done["topic"][name] for name in chosen} == chosen


async def test_taken_slug_conflicts(
    client: GraphQLClient, topic: BrokerTopic, creator: User
) -> None:
    """A slug names one topic."""
    error = await client.refusal(CREATE, {"input": {"slug": "topic"}}, as_=creator)
    assert is_refusal(error, "CONFLICT", "slug")


async def test_creating_needs_the_right(
    client: GraphQLClient, topic: BrokerTopic, manager: User
) -> None:
    """Who may not add topics is refused."""
    for user in (manager, None):
        error = await client.refusal(CREATE, {"input": {"slug": "fresh"}}, as_=user)
        assert is_refusal(error, "FORBIDDEN")
    assert await database.read(BrokerTopic.objects.count) == 1


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"slug": "no slug"}, "slug"),
        ({"slug": ""}, "slug"),
        ({"slug": "x" * 129}, "slug"),
        ({"slug": "line\n"}, "slug"),
        ({"slug": None}, None),
        ({}, None),
        ({"slug": "fresh", "storeMessages": "NEVER"}, None),
        ({"slug": "fresh", "isPublic": None}, None),
        ({"slug": "fresh", "isPublic": "yes"}, None),
    ],
    ids=lambda value: ascii(value)[:40],
)
async def test_bad_new_topic(
    client: GraphQLClient, creator: User, given: dict[str, Any], field: str | None
) -> None:
    """What cannot be a topic is refused, and none is created."""
    assert is_refusal(
        await client.refusal(CREATE, {"input": given}, as_=creator), "BAD_INPUT", field
    )
    assert not await database.read(BrokerTopic.objects.exists)


async def test_update_changes_what_is_given(
    client: GraphQLClient, topic: BrokerTopic, manager: User
) -> None:
    """What is left out stays; null takes a storage rule away."""
    steps: list[tuple[dict[str, Any], tuple[Any, ...]]] = [
        ({"storeMessages": "STORE"}, (False, True, "STORE")),
        ({"isPublic": True}, (True, True, "STORE")),
        ({"supportsDasf": False, "storeMessages": None}, (True, False, None)),
        ({}, (True, False, None)),
    ]
    for changes, expected in steps:
        done = await client.value(UPDATE, {"input": {"topic": "topic", **changes}}, as_=manager)
        seen = done["topic"]
        assert (seen["isPublic"], seen["supportsDasf"], seen["storeMessages"]) == expected


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"topic": "no slug"}, "topic"),
        ({"topic": "topic", "isPublic": None}, "isPublic"),
        ({"topic": "topic", "supportsDasf": None}, "supportsDasf"),
        ({"topic": "topic", "storeMessages": "NEVER"}, None),
        ({"topic": "topic", "slug": "renamed"}, None),
        ({}, None),
    ],
    ids=ascii,
)
async def test_bad_changes(
    client: GraphQLClient,
    topic: BrokerTopic,
    manager: User,
    given: dict[str, Any],
    field: str | None,
) -> None:
    """What cannot be a change is refused."""
    assert is_refusal(
        await client.refusal(UPDATE, {"input": given}, as_=manager), "BAD_INPUT", field
    )


async def test_delete_takes_all_with_it(
    client: GraphQLClient,
    topic: BrokerTopic,
    producer: User,
    manager: User,
    publish_text: Publish,
) -> None:
    """With a topic its messages and response topics go."""
    await database.write(publish_text, producer, topic, response_topic="topic_answers")
    assert await client.value(DELETE, {"topic": "topic"}, as_=manager) == {"slug": "topic"}
    assert not await database.read(BrokerTopic.objects.exists)
    assert not await database.read(BrokerMessage.objects.exists)
    error = await client.refusal(DELETE, {"topic": "topic"}, as_=manager)
    assert is_refusal(error, "NOT_FOUND")


async def test_managing_needs_the_right(
    client: GraphQLClient, topic: BrokerTopic, producer: User, stranger: User
) -> None:
    """Who uses a topic may not change or delete it; others hear of none."""
    expected = {producer: "FORBIDDEN", stranger: "NOT_FOUND", None: "NOT_FOUND"}
    changes = {"input": {"topic": "topic", "isPublic": True}}
    for user, code in expected.items():
        assert is_refusal(await client.refusal(UPDATE, changes, as_=user), code)
        assert is_refusal(await client.refusal(DELETE, {"topic": "topic"}, as_=user), code)
    unchanged = await database.read(BrokerTopic.objects.get)
    assert not unchanged.is_public


async def test_slug_to_delete_is_checked(client: GraphQLClient, superuser: User) -> None:
    """What cannot be a slug is bad input."""
    error = await client.refusal(DELETE, {"topic": "no slug"}, as_=superuser)
    assert is_refusal(error, "BAD_INPUT", "topic")
