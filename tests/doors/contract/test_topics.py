"""The query `topics`: the topics that the viewer may see, filtered, in order, page by page."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from dasf_broker import database
from dasf_broker.domain.cursors import encode_cursor
from dasf_broker.models import BrokerTopic
from tests.conftest import MakeTopic
from tests.doors.clients import GraphQLClient, is_refusal

pytestmark = pytest.mark.django_db(transaction=True)

TOPICS = """
query (
  $filter: TopicFilter, $order: TopicOrder! = SLUG
  $first: Int, $after: String, $last: Int, $before: String
) {
  topics(
    filter: $filter, order: $order, first: $first, after: $after, last: $last, before: $before
  ) {
    edges { cursor node { slug } }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
  }
}
"""


@pytest.fixture(autouse=True)
def three_topics(make_topic: MakeTopic) -> None:
    """Make three public topics, and one that only its consumers may see."""
    now = timezone.now()
    make_topic("hidden")
    make_topic("beta", is_public=True, supports_dasf=True, last_ping=now, last_pong=now)
    make_topic("alpha", is_public=True, supports_dasf=False, store_messages="store")
    make_topic("gamma", is_public=True, supports_dasf=True, last_ping=now)


async def test_only_visible_topics_are_listed(client: GraphQLClient, superuser: User) -> None:
    """Everybody gets the topics that they may see."""
    assert await _slugs(client) == ["alpha", "beta", "gamma"]
    everything = await client.value(TOPICS, as_=superuser)
    assert [edge["node"]["slug"] for edge in everything["edges"]] == [
        "alpha",
        "beta",
        "gamma",
        "hidden",
    ]


@pytest.mark.parametrize(
    ("narrowing", "expected"),
    [
        ({"slugIn": ["gamma", "alpha", "hidden"]}, ["alpha", "gamma"]),
        ({"slugIn": []}, []),
        ({"search": "AM"}, ["gamma"]),
        ({"search": "%"}, []),
        ({"isPublic": False}, []),
        ({"supportsDasf": True}, ["beta", "gamma"]),
        ({"storeMessages": "STORE"}, ["alpha"]),
        ({"isResponseTopic": True}, []),
        ({"availability": "ONLINE"}, ["beta"]),
        ({"availability": "OFFLINE"}, ["gamma"]),
        ({"availability": "UNKNOWN"}, ["alpha"]),
        ({"supportsDasf": True, "availability": "OFFLINE"}, ["gamma"]),
        ({}, ["alpha", "beta", "gamma"]),
    ],
    ids=str,
)
async def test_filter(
    client: GraphQLClient, narrowing: dict[str, Any], expected: list[str]
) -> None:
    """A filter keeps the topics for which all of it holds."""
    assert await _slugs(client, filter=narrowing) == expected


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("SLUG", ["alpha", "beta", "gamma"]),
        ("SLUG_DESC", ["gamma", "beta", "alpha"]),
        ("OLDEST", ["beta", "alpha", "gamma"]),
        ("NEWEST", ["gamma", "alpha", "beta"]),
    ],
)
async def test_order_holds_across_pages(
    client: GraphQLClient, order: str, expected: list[str]
) -> None:
    """Page by page one gets the same list as at once, forward and backward."""
    assert await _slugs(client, order=order) == expected
    forward, after = [], None
    backward, before = [], None
    for _ in expected:
        page = await client.value(TOPICS, {"order": order, "first": 1, "after": after})
        forward += [edge["node"]["slug"] for edge in page["edges"]]
        after = page["pageInfo"]["endCursor"]
        page = await client.value(TOPICS, {"order": order, "last": 1, "before": before})
        backward += [edge["node"]["slug"] for edge in page["edges"]]
        before = page["pageInfo"]["startCursor"]
    assert forward == expected
    assert backward == expected[::-1]


async def test_page_info(client: GraphQLClient) -> None:
    """A page says whether there is more on either side."""
    first = (await client.value(TOPICS, {"first": 2}))["pageInfo"]
    assert (first["hasPreviousPage"], first["hasNextPage"]) == (False, True)
    rest = (await client.value(TOPICS, {"first": 2, "after": first["endCursor"]}))["pageInfo"]
    assert (rest["hasPreviousPage"], rest["hasNextPage"]) == (True, False)
    nothing = await client.value(TOPICS, {"first": 0})
    assert nothing["edges"] == []
    assert nothing["pageInfo"]["startCursor"] is None


@pytest.mark.parametrize(
    ("variables", "field"),
    [
        ({"first": -1}, "first"),
        ({"first": 501}, "first"),
        ({"last": -1}, "last"),
        ({"last": 501}, "last"),
        ({"first": 1, "last": 1}, "last"),
        ({"after": "garbage"}, "after"),
        ({"after": ""}, "after"),
        ({"after": "é"}, "after"),
        ({"before": encode_cursor("pk", 1)}, "before"),
        ({"after": encode_cursor("slug", 1)}, "after"),
        ({"filter": {"slugIn": ["x"] * 101}}, "slugIn"),
        ({"filter": {"search": "nul\0"}}, "search"),
        ({"filter": {"search": "half \ud800"}}, "search"),
        ({"filter": {"slugIn": ["nul\0"]}}, "slugIn"),
        ({"after": encode_cursor("slug", "nul\0")}, "after"),
        ({"after": encode_cursor("slug", "half \ud800")}, "after"),
        ({"first": 2**40}, None),
        ({"first": "1"}, None),
        ({"order": "RANDOM"}, None),
        ({"filter": {"slugIn": None, "unknown": 1}}, None),
    ],
    ids=ascii,
)
async def test_bad_input(
    client: GraphQLClient, variables: dict[str, Any], field: str | None
) -> None:
    """What cannot be meant is refused, with the name of the argument where the broker knows it."""
    assert is_refusal(await client.refusal(TOPICS, variables), "BAD_INPUT", field)


async def test_filters_may_be_null(client: GraphQLClient) -> None:
    """A filter that is null, or whose parts are null, restricts nothing."""
    assert await _slugs(client, filter=None) == ["alpha", "beta", "gamma"]
    assert await _slugs(client, filter={"search": None}) == ["alpha", "beta", "gamma"]


async def test_default_page_is_bounded(client: GraphQLClient) -> None:
    """Without `first` and `last` one gets a page, not everything."""

    def make_many() -> None:
        topics = (BrokerTopic(slug=f"many-{n:03}", is_public=True) for n in range(150))
        BrokerTopic.objects.bulk_create(topics)

    await database.write(make_many)
    assert len(await _slugs(client)) == 100


async def _slugs(client: GraphQLClient, **variables: Any) -> list[str]:
    page = await client.value(TOPICS, variables)
    return [edge["node"]["slug"] for edge in page["edges"]]
