"""Documents that cannot be executed: coded errors that tell nothing of the schema."""

from __future__ import annotations

import json

import pytest
from pytest_django import Settings

from tests.doors.clients import GraphQLClient, is_refusal

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize(
    "query",
    [
        "{",
        "{ viewer { username }",
        "nonsense",
        "{ viewer { username } } }",
        'query { topic(slug: "x) { slug } }',
        "{ \ud800 }",
        "#",
        "{ viewr { username } }",
        "{ viewer { usernam } }",
        "{ viewer }",
        "{ broker { version { x } } }",
        '{ topic(slgu: "x") { slug } }',
        "{ topic { slug } }",
        '{ topic(slug: "x") { ... on BrokerTopc { slug } } }',
        '{ topic(slug: "x") { ... on Message { text } } }',
        "{ topics(order: SLUGG) { edges { cursor } } }",
        "{ topics(filter: {serch: 1}) { edges { cursor } } }",
        "{ viewer { username @skp(if: true) } }",
        "{ ...a } fragment a on Query { ...b } fragment b on Query { ...a }",
        "{ viewer { ...missing } }",
        "query ($x: Strin) { viewer { username } }",
        "query ($x: Int, $x: Int) { viewer { username } }",
        "query a { viewer { username } } query b { viewer { username } }",
        "fragment a on Query { viewer { username } }",
        "type Query { a: Int }",
        "mutation { publishMessag { status } }",
        "subscription { message { text } }",
        'subscription { pings(topic: "a") { pingedAt } pongs(topic: "b") { pongedAt } }',
    ],
)
async def test_invalid_document(client: GraphQLClient, query: str) -> None:
    """It is bad input; nothing is executed, and nobody is helped to guess names."""
    answer = await client.execute(query)
    assert answer["data"] is None
    assert answer["errors"]
    assert all(is_refusal(error, "BAD_INPUT") for error in answer["errors"])
    assert "did you mean" not in json.dumps(answer).lower()


@pytest.mark.parametrize(
    ("query", "variables"),
    [
        ("query ($x: TopicOrder!) { topics(order: $x) { edges { cursor } } }", {"x": "SLUGG"}),
        (
            "query ($x: TopicFilter) { topics(filter: $x) { edges { cursor } } }",
            {"x": {"serch": 1}},
        ),
        ("query ($x: TopicFilter) { topics(filter: $x) { edges { cursor } } }", {"x": 1}),
        ("query ($x: String!) { topic(slug: $x) { slug } }", {}),
        ("query ($x: Int) { topics(first: $x) { edges { cursor } } }", {"x": True}),
        ("query ($x: Int) { topics(first: $x) { edges { cursor } } }", {"x": 1e300}),
    ],
)
async def test_invalid_variables(
    client: GraphQLClient, query: str, variables: dict[str, object]
) -> None:
    """So it is with variables."""
    error = await client.refusal(query, variables)
    assert is_refusal(error, "BAD_INPUT")
    assert "did you mean" not in error["message"].lower()


async def test_error_says_where(client: GraphQLClient) -> None:
    """An error in the document has its place."""
    error = await client.refusal("{\n  viewr { username }\n}")
    assert error["locations"] == [{"line": 2, "column": 3}]


@pytest.mark.parametrize(
    "query",
    [
        "{ viewer { " + "username " * 500 + "} }",
        "{ viewer { username } } #" + "x" * 16384,
    ],
    ids=["tokens", "bytes"],
)
async def test_document_that_is_too_complex(client: GraphQLClient, query: str) -> None:
    """A document has a limited number of bytes and tokens."""
    assert is_refusal(await client.refusal(query), "QUERY_TOO_COMPLEX")


async def test_limits_are_read_live(client: GraphQLClient, settings: Settings) -> None:
    """The limits are those of the settings, for documents that were never seen."""
    settings.DASF_MAX_QUERY_TOKENS = 3
    error = await client.refusal("query tooLong { viewer { username } }")
    assert is_refusal(error, "QUERY_TOO_COMPLEX")
    assert error["extensions"]["limit"] == 3


async def test_deep_document_is_refused(client: GraphQLClient, settings: Settings) -> None:
    """Deep nesting does not break the parser, where the settings let it pass."""
    settings.DASF_MAX_QUERY_TOKENS = settings.DASF_MAX_QUERY_SIZE = 1_000_000
    error = await client.refusal("{ a" * 20_000 + " }" * 20_000)
    assert is_refusal(error, "BAD_INPUT")


async def test_doubled_fragments_are_not_exponential(client: GraphQLClient) -> None:
    """Spreads that double at each step are refused, at once."""
    steps = "".join(f"fragment f{n} on Viewer {{ ...f{n + 1} ...f{n + 1} }} " for n in range(25))
    query = f"{{ viewer {{ ...f0 }} }} {steps} fragment f25 on Viewer {{ username }}"
    error = await client.refusal(query)
    assert is_refusal(error, "QUERY_TOO_COMPLEX")
    assert error["extensions"]["value"] == 2**25


async def test_introspection_is_answered(client: GraphQLClient) -> None:
    """Tools may ask for the schema."""
    schema = await client.value("{ __schema { queryType { name } } }")
    assert schema == {"queryType": {"name": "Query"}}
