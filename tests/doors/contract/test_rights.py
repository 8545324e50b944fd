"""The mutations `grantPermission` and `revokePermission`."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Group, User

from dasf_broker import database
from dasf_broker.models import BrokerMessage, BrokerTopic
from dasf_broker.operations.acknowledge import Acknowledging, acknowledge
from dasf_broker.operations.caller import Caller
from dasf_broker.permissions import Right
from tests.conftest import MakeUser
from tests.doors.clients import GraphQLClient, is_refusal
from tests.doors.conftest import Publish

pytestmark = pytest.mark.django_db(transaction=True)


def _change(name: str) -> str:
    return f"""
mutation (
  $topic: String! = "topic", $permission: TopicPermission! = CAN_CONSUME
  $username: String, $group: String
) {{
  {name}(topic: $topic, permission: $permission, username: $username, group: $group) {{
    topic {{ slug consumers {{ username }} }}
  }}
}}
"""


GRANT = _change("grantPermission")
REVOKE = _change("revokePermission")
HELD = """{ topic(slug: "topic") {
  permissions { canProduce canConsume canViewStatus canChange canDelete } } }"""


@pytest.mark.parametrize(
    ("permission", "held"),
    [
        ("CAN_PRODUCE", {"canProduce", "canViewStatus"}),
        ("CAN_CONSUME", {"canConsume", "canViewStatus"}),
        ("CAN_VIEW_STATUS", {"canViewStatus"}),
        ("CHANGE", {"canChange", "canViewStatus"}),
        ("DELETE", {"canDelete", "canViewStatus"}),
    ],
)
@pytest.mark.parametrize("holder", [{"username": "stranger"}, {"group": "staff"}], ids=str)
async def test_grant_and_revoke(
    client: GraphQLClient,
    manager: User,
    stranger: User,
    holder: dict[str, str],
    permission: str,
    held: set[str],
) -> None:
    """A right that is given to a user or to their group counts at once, and so does its end."""
    await database.write(_join, stranger, "staff")
    variables = {"permission": permission, **holder}
    for _ in range(2):  # twice is once
        await client.value(GRANT, variables, as_=manager)
        seen = (await client.value(HELD, as_=stranger))["permissions"]
        assert {name for name, value in seen.items() if value} == held
    for _ in range(2):
        await client.value(REVOKE, variables, as_=manager)
        assert is_refusal(await client.refusal(HELD, as_=stranger), "NOT_FOUND")


async def test_answer_shows_who_consumes(
    client: GraphQLClient, topic: BrokerTopic, manager: User, stranger: User
) -> None:
    """The topic that is answered is as it is now."""
    granted = await client.value(GRANT, {"username": "stranger"}, as_=manager)
    assert granted["topic"] == {"slug": "topic", "consumers": [{"username": "stranger"}]}
    revoked = await client.value(REVOKE, {"username": "stranger"}, as_=manager)
    assert revoked["topic"]["consumers"] == []


async def test_last_missing_consumer_leaves(
    client: GraphQLClient,
    topic: BrokerTopic,
    producer: User,
    consumer: User,
    manager: User,
    make_user: MakeUser,
    publish_text: Publish,
) -> None:
    """Under `cacheall` a message goes when the one it waited for loses the right."""

    def prepare() -> None:
        BrokerTopic.objects.update(store_messages="cacheall")
        make_user("late", topic, Right.CONSUME)
        topic.refresh_from_db()
        done = publish_text(producer, topic)
        acknowledge(Acknowledging(Caller.of(consumer), "topic", done.message.message_id))
        assert BrokerMessage.objects.exists()

    await database.write(prepare)
    await client.value(REVOKE, {"username": "late"}, as_=manager)
    assert not await database.read(BrokerMessage.objects.exists)


@pytest.mark.parametrize("query", [GRANT, REVOKE], ids=["grant", "revoke"])
@pytest.mark.parametrize(
    ("variables", "field"),
    [
        ({}, "username"),
        ({"username": "a", "group": "b"}, "username"),
        ({"username": "nobody"}, "username"),
        ({"username": ""}, "username"),
        ({"username": "nul\0"}, "username"),
        ({"username": "half \ud800"}, "username"),
        ({"group": "nothing"}, "group"),
        ({"group": "nul\0"}, "group"),
        ({"topic": "no slug", "username": "manager"}, "topic"),
        ({"permission": "ADD", "username": "manager"}, None),
        ({"permission": "can_consume", "username": "manager"}, None),
    ],
    ids=ascii,
)
async def test_bad_input(
    client: GraphQLClient,
    manager: User,
    query: str,
    variables: dict[str, Any],
    field: str | None,
) -> None:
    """A right goes to one user or one group that exists."""
    assert is_refusal(await client.refusal(query, variables, as_=manager), "BAD_INPUT", field)


@pytest.mark.parametrize("query", [GRANT, REVOKE], ids=["grant", "revoke"])
async def test_only_managers_hand_out_rights(
    client: GraphQLClient, consumer: User, stranger: User, query: str
) -> None:
    """Who uses a topic may not share it; others hear of none."""
    expected = {consumer: "FORBIDDEN", stranger: "NOT_FOUND", None: "NOT_FOUND"}
    for user, code in expected.items():
        error = await client.refusal(query, {"username": "consumer"}, as_=user)
        assert is_refusal(error, code)


def _join(user: User, group: str) -> None:
    user.groups.add(Group.objects.create(name=group))
