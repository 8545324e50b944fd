"""A host with types of the same names gives those of the broker a prefix."""

from __future__ import annotations

import re

import pytest
from django.contrib.auth.models import User
from pytest_django import Settings
from strawberry.exceptions import DuplicatedTypeName
from strawberry.schema.config import StrawberryConfig
from strawberry.schema.name_converter import NameConverter

from dasf_broker import schema as broker
from dasf_broker.models import BrokerTopic
from tests.doors import host_schema, prefixed_schema
from tests.doors.clients import GraphQLClient
from tests.doors.conftest import OpenSocket

#: Types that belong to no one: GraphQL's own, those of Relay, and scalars.
SHARED = {"Query", "Mutation", "Subscription", "Node", "PageInfo", "DateTime", "JSON", "UUID"}
SHARED |= {"String", "Int", "Float", "Boolean", "ID"}


def test_the_same_names_clash() -> None:
    """The error says what to do."""
    with pytest.raises(DuplicatedTypeName, match="is defined multiple times") as raised:
        broker.Schema(prefixed_schema.Query, prefixed_schema.Mutation)
    assert "prefix=" in raised.value.__notes__[0]


def test_each_type_has_the_prefix() -> None:
    """Nothing else differs from the schema without a prefix."""
    plain = _sdl(broker.schema)
    ours = set(re.findall(r"^(?:type|interface|enum|input) (\w+)", plain, re.MULTILINE)) - SHARED
    renamed = re.sub(rf"\b({'|'.join(ours)})\b", rf"{prefixed_schema.PREFIX}\1", plain)
    prefixed = broker.Schema(
        host_schema.Query, host_schema.Mutation, host_schema.Subscription, prefix="Dasf"
    )
    expected = renamed.replace("type Query {", "type Query {\n  hostName: String!")
    assert set(_sdl(prefixed).splitlines()) ^ set(expected.splitlines()) == set()


def test_names_of_the_host_stay() -> None:
    """Also those of lists of the broker's types."""
    kinds = prefixed_schema.schema._schema.type_map
    assert {"Message", "MessageType", "User", "PublishMessageInput"} <= set(kinds)
    assert {"DasfMessage", "DasfMessageType", "DasfUser", "DasfPublishMessageInput"} <= set(kinds)
    assert {"DasfMessageConnection", "DasfTopicEdge", "PageInfo", "Node"} <= set(kinds)


@pytest.mark.django_db(transaction=True)
async def test_operations(
    client: GraphQLClient, topic: BrokerTopic, producer: User, settings: Settings
) -> None:
    """Types, fragments, inputs and global ids work under the new names."""
    settings.DASF_GRAPHQL_SCHEMA = "tests.doors.prefixed_schema.schema"
    publish = """mutation ($input: DasfPublishMessageInput!) { publishMessage(input: $input) {
      message { __typename id user { __typename } topic { ... on DasfBrokerTopic { id } } } } }"""
    given = {"input": {"topic": "topic", "text": "x", "messageType": "INFO"}}
    message = (await client.value(publish, given, as_=producer))["message"]
    assert (message["__typename"], message["user"]["__typename"]) == ("DasfMessage", "DasfUser")
    node = "query ($id: ID!) { node(id: $id) { __typename id } }"
    for kind, found in (("DasfMessage", message), ("DasfBrokerTopic", message["topic"])):
        answer = await client.value(node, {"id": found["id"]}, as_=producer)
        assert answer == {"__typename": kind, "id": found["id"]}
    letters = "{ letters(of: {kind: LETTER}) { __typename kind user { age } } }"
    assert await client.value(letters, as_=producer) == [
        {"__typename": "Message", "kind": "LETTER", "user": {"age": 36}}
    ]


@pytest.mark.django_db(transaction=True)
async def test_subscriptions(
    enter: OpenSocket,
    client: GraphQLClient,
    topic: BrokerTopic,
    superuser: User,
    settings: Settings,
) -> None:
    """A result, which subscribers share, has the new names."""
    settings.DASF_GRAPHQL_SCHEMA = "tests.doors.prefixed_schema.schema"
    socket = await enter(superuser)
    await socket.subscribe(
        'subscription { messages(topic: "topic") { __typename topic { __typename } } }'
    )
    await client.value(
        'mutation { publishMessage(input: {topic: "topic"}) { status } }', as_=superuser
    )
    [received] = (await socket.next())["data"].values()
    assert received == {"__typename": "DasfMessage", "topic": {"__typename": "DasfBrokerTopic"}}


@pytest.mark.parametrize("prefix", ["", "1", "a b", "a-", "_x", "é"])
def test_prefixes(prefix: str) -> None:
    """A prefix is a word."""
    with pytest.raises(ValueError, match="letters and digits"):
        broker.PrefixedNames(prefix)


def test_configurations() -> None:
    """A prefix keeps the other options; two ways to name types are refused."""

    class Own(NameConverter):
        pass

    snake = StrawberryConfig(auto_camel_case=False)
    made = broker.Schema(host_schema.Query, config=snake, prefix="Dasf")
    assert made._schema.query_type is not None
    assert "host_name" in made._schema.query_type.fields
    with pytest.raises(ValueError, match="PrefixedNames"):
        broker.Schema(
            host_schema.Query, config=StrawberryConfig(name_converter=Own()), prefix="Dasf"
        )
    own = broker.PrefixedNames("My")
    made = broker.Schema(host_schema.Query, config=StrawberryConfig(name_converter=own))
    assert "MyUser" in made._schema.type_map


def _sdl(schema: broker.Schema) -> str:
    """Return the schema as a text, without descriptions."""
    return re.sub(r' *""".*?"""\n', "", schema.as_str(), flags=re.DOTALL)
