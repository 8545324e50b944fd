"""The limits of documents hold at every door, and for what strangers may send by default."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from pytest_django import Settings

from dasf_broker.models import BrokerTopic
from tests.docs import pages
from tests.doors.clients import GraphQLClient, is_refusal
from tests.doors.conftest import OpenSocket

pytestmark = pytest.mark.django_db(transaction=True)

PAGES = """query ($n: Int) {
  topics(first: $n) { edges { node { messages(last: $n) { edges { cursor } } } } }
}"""
PUBLISH = """mutation ($i: [PublishMessageInput!]!) {
  publishMessages(inputs: $i) { results { status } }
}"""
DEEP = """{
  topics { edges { node { messages { edges { node { topic { permissions { canConsume } } } } } } } }
}"""
PARTS = " ".join(
    f"{name}: messages(first: $n) {{ edges {{ node {{ messageId text }} }} }}"
    for name in "abcdefgh"
)
LIVE = f'subscription ($n: Int) {{ messages(topic: "topic") {{ topic {{ {PARTS} }} }} }}'
ALIASES = "{" + "".join(f"a{n}: __typename " for n in range(16)) + "}"
OPERATIONS = " ".join(f"query q{n} {{ __typename }}" for n in range(11))
FRAGMENTS = [f"fragment f{n} on Query {{ ...f{n + 1} }}" for n in range(50)]
CHAIN = " ".join(["{ ...f0 }", *FRAGMENTS, "fragment f50 on Query { __typename }"])

#: What is too much by default: a document, its variables, and the limit with its value and unit.
TOO_MUCH: dict[str, tuple[str, Any, tuple[int, int, str]]] = {
    "size": ("{ viewer { username } } #" + "x" * 16384, {}, (16384, 16409, "bytes")),
    "tokens": ("{ viewer { " + "username " * 500 + "} }", {}, (500, 505, "tokens")),
    "depth": (DEEP, {}, (8, 9, "levels")),
    "aliases": (ALIASES, {}, (15, 16, "aliases")),
    "directives": ("{ __typename " + "@skip(if: true) " * 51 + "}", {}, (50, 51, "directives")),
    "repeats": ("{ " + "__typename " * 51 + "}", {}, (50, 51, "repeats")),
    "fragments": (CHAIN, {}, (50, 51, "fragments")),
    "operations": (OPERATIONS, {}, (10, 11, "operations")),
    "default pages": (PAGES, {}, (10_000, 10_302, "fields")),
    "largest pages": (PAGES, {"n": 500}, (10_000, 251_502, "fields")),
    "list": (PUBLISH, {"i": [{}] * 1001}, (1000, 1001, "items")),
}


@pytest.mark.parametrize("case", TOO_MUCH)
async def test_too_much(client: GraphQLClient, case: str) -> None:
    """It is refused before anything is done, by its limit."""
    query, variables, (limit, value, unit) = TOO_MUCH[case]
    answer = await client.execute(query, variables)
    [error] = answer["errors"]
    assert answer["data"] is None
    assert error["extensions"] == {
        "code": "QUERY_TOO_COMPLEX",
        "limit": limit,
        "value": value,
        "unit": unit,
    }
    assert str(limit) in error["message"]
    assert str(value) in error["message"]


async def test_sizes_of_pages_are_looked_at_each_time(client: GraphQLClient) -> None:
    """The same document passes with small pages, before and after it is refused with large ones."""
    for size, passes in ((10, True), (500, False), (10, True)):
        answer = await client.execute(PAGES, {"n": size})
        assert (not answer["errors"]) is passes, answer


async def test_subscription(enter: OpenSocket, topic: BrokerTopic, consumer: User) -> None:
    """What is rendered for each event is limited, too, and the socket goes on."""
    socket = await enter(consumer)
    payload = {"query": LIVE, "variables": {"n": 500}}
    for text in (payload, payload | {"query": LIVE + " #" + "x" * 16384}):
        await socket.send({"type": "subscribe", "id": "1", "payload": text})
        frame = await socket.receive()
        assert frame["type"] == "error"
        assert is_refusal(frame["payload"][0], "QUERY_TOO_COMPLEX")
    await socket.send({"type": "ping"})
    assert await socket.receive() == {"type": "pong"}


@pytest.mark.parametrize(
    "document",
    [
        "{ topics(first: %s) { edges { cursor } } }",
        "query ($n: Int = %s) { topics(first: $n) { edges { cursor } } }",
    ],
)
async def test_long_numbers(client: GraphQLClient, document: str) -> None:
    """Python refuses to read them; that is no failure of the server."""
    error = await client.refusal(document % ("9" * 5000))
    assert is_refusal(error, "BAD_INPUT")


async def test_limits_may_be_raised(client: GraphQLClient, settings: Settings) -> None:
    """A host that trusts its clients sets other limits, and they count at once."""
    assert is_refusal(await client.refusal(DEEP), "QUERY_TOO_COMPLEX")
    settings.DASF_MAX_QUERY_DEPTH, settings.DASF_MAX_QUERY_COST = 9, 1_000_000
    assert (await client.value(DEEP)) == {"edges": []}


@pytest.mark.parametrize("name", [*"abc", "x" * 10_000])
async def test_operation_that_is_not_there(client: GraphQLClient, name: str) -> None:
    """What was asked for is repeated in short."""
    request = {"query": "query d { __typename }", "operationName": name}
    answer = await client.send(request, None)
    [error] = answer["errors"]
    assert is_refusal(error, "BAD_INPUT")
    assert len(error["message"]) < 100


@pytest.mark.parametrize("document", pages.documents())
async def test_what_the_documentation_shows_passes(client: GraphQLClient, document: str) -> None:
    """A newcomer meets no limit."""
    answer = await client.execute(document)
    codes = [error["extensions"]["code"] for error in answer["errors"]]
    assert "QUERY_TOO_COMPLEX" not in codes
