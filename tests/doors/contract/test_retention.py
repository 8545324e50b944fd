"""`retentionAge` and `retentionCount`: chosen, shown, changed and taken away."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Permission, User

from dasf_broker import database
from dasf_broker.models import BrokerTopic
from tests.doors.clients import GraphQLClient, is_refusal

pytestmark = pytest.mark.django_db(transaction=True)

LIMITS = "topic { retentionAge retentionCount }"
CREATE = f"mutation ($input: CreateTopicInput!) {{ createTopic(input: $input) {{ {LIMITS} }} }}"
UPDATE = f"mutation ($input: UpdateTopicInput!) {{ updateTopic(input: $input) {{ {LIMITS} }} }}"


@pytest.mark.parametrize(
    "chosen", [{}, {"retentionAge": 1}, {"retentionAge": 10**9, "retentionCount": 10**9}]
)
async def test_create(client: GraphQLClient, stranger: User, chosen: dict[str, int]) -> None:
    """What was not chosen has no limit."""

    def allow() -> None:
        stranger.user_permissions.add(Permission.objects.get(codename="add_brokertopic"))

    await database.write(allow)
    given = {"slug": "fresh", **chosen}
    done = await client.value(CREATE, {"input": given}, as_=stranger)
    nothing: dict[str, Any] = {"retentionAge": None, "retentionCount": None}
    assert done["topic"] == nothing | chosen


async def test_update(client: GraphQLClient, topic: BrokerTopic, manager: User) -> None:
    """What is left out stays; null takes the limit away."""
    for given, expected in (
        ({"retentionAge": 60, "retentionCount": 5}, (60, 5)),
        ({"isPublic": True}, (60, 5)),
        ({"retentionAge": None}, (None, 5)),
        ({"retentionAge": 1, "retentionCount": None}, (1, None)),
    ):
        variables = {"input": {"topic": "topic", **given}}
        done = (await client.value(UPDATE, variables, as_=manager))["topic"]
        assert (done["retentionAge"], done["retentionCount"]) == expected
    query = f'{{ topic(slug: "topic") {{ {LIMITS[7:-1]} }} }}'
    assert await client.value(query, as_=manager) == {"retentionAge": 1, "retentionCount": None}


@pytest.mark.parametrize("field", ["retentionAge", "retentionCount"])
@pytest.mark.parametrize("value", [0, -1, 10**9 + 1])
async def test_what_is_no_limit(
    client: GraphQLClient, topic: BrokerTopic, superuser: User, field: str, value: int
) -> None:
    """It is refused by the name of its field, and nothing is changed or created."""
    for mutation, given in (
        (UPDATE, {"topic": "topic", "isPublic": True}),
        (CREATE, {"slug": "fresh"}),
    ):
        variables = {"input": given | {field: value}}
        error = await client.refusal(mutation, variables, as_=superuser)
        assert is_refusal(error, "BAD_INPUT", field)
    assert not (await database.read(BrokerTopic.objects.get)).is_public
