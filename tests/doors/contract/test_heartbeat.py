"""The mutations `pingTopic` and `pongTopic`."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User

from dasf_broker import database
from dasf_broker.models import BrokerTopic
from dasf_broker.permissions import Right
from tests.conftest import MakeTopic, MakeUser
from tests.doors.clients import GraphQLClient, is_refusal

pytestmark = pytest.mark.django_db(transaction=True)

TOPIC = "topic { slug availability { status isOnline lastPing lastPong roundTripTime } }"
PING = f'mutation ($t: String! = "topic") {{ pingTopic(topic: $t) {{ {TOPIC} pingedAt }} }}'
PONG = (
    'mutation ($t: String! = "topic") '
    f"{{ pongTopic(topic: $t) {{ {TOPIC} pongedAt roundTripTime }} }}"
)


async def test_ping_then_pong(
    client: GraphQLClient, topic: BrokerTopic, producer: User, consumer: User
) -> None:
    """A pinged topic is offline until a consumer answers; then it is online."""
    pinged = await client.value(PING, as_=producer)
    assert pinged["topic"] == {
        "slug": "topic",
        "availability": {
            "status": "OFFLINE",
            "isOnline": False,
            "lastPing": pinged["pingedAt"],
            "lastPong": None,
            "roundTripTime": None,
        },
    }
    ponged = await client.value(PONG, as_=consumer)
    assert ponged["roundTripTime"] > 0
    assert ponged["topic"]["availability"] == {
        "status": "ONLINE",
        "isOnline": True,
        "lastPing": pinged["pingedAt"],
        "lastPong": ponged["pongedAt"],
        "roundTripTime": ponged["roundTripTime"],
    }


async def test_pong_without_ping(client: GraphQLClient, topic: BrokerTopic, consumer: User) -> None:
    """An answer that nobody asked for tells no time and no availability."""
    ponged = await client.value(PONG, as_=consumer)
    assert ponged["roundTripTime"] is None
    assert ponged["topic"]["availability"]["status"] == "UNKNOWN"


async def test_second_pong_keeps_the_first_time(
    client: GraphQLClient, topic: BrokerTopic, producer: User, consumer: User
) -> None:
    """The topic's round trip is that of the first answer."""
    await client.value(PING, as_=producer)
    first = await client.value(PONG, as_=consumer)
    second = await client.value(PONG, as_=consumer)
    assert second["roundTripTime"] > first["roundTripTime"]
    assert second["topic"]["availability"]["roundTripTime"] == first["roundTripTime"]


async def test_anonymous_pings_public_topic(client: GraphQLClient, make_topic: MakeTopic) -> None:
    """Everybody may ping a public topic; nobody without the right may answer."""
    await database.write(make_topic, "open", is_public=True, supports_dasf=True)
    assert (await client.value(PING, {"t": "open"}))["topic"]["slug"] == "open"
    assert is_refusal(await client.refusal(PONG, {"t": "open"}), "FORBIDDEN")


async def test_rights(
    client: GraphQLClient, topic: BrokerTopic, producer: User, consumer: User, make_user: MakeUser
) -> None:
    """Producers ping and do not answer; consumers answer and do not ping; others do neither."""
    viewer = await database.write(make_user, "viewer", topic, Right.VIEW_STATUS)
    for query, user in ((PING, consumer), (PONG, producer), (PING, viewer), (PONG, viewer)):
        assert is_refusal(await client.refusal(query, as_=user), "FORBIDDEN")
    unchanged = await database.read(BrokerTopic.objects.get, pk=topic.pk)
    assert (unchanged.last_ping, unchanged.last_pong) == (None, None)


@pytest.mark.parametrize("query", [PING, PONG], ids=["ping", "pong"])
async def test_slug_is_checked(client: GraphQLClient, superuser: User, query: str) -> None:
    """What cannot be a slug is bad input."""
    error = await client.refusal(query, {"t": "no slug"}, as_=superuser)
    assert is_refusal(error, "BAD_INPUT", "topic")
