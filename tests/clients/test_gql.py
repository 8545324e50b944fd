"""The Python client ``gql``: over HTTP and over websockets."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import pytest
from gql import Client, GraphQLRequest, gql
from gql.transport.exceptions import (
    TransportConnectionFailed,
    TransportError,
    TransportQueryError,
    TransportServerError,
)
from gql.transport.httpx import HTTPXAsyncTransport
from gql.transport.websockets import WebsocketsTransport

from tests.clients.conftest import Deployment
from tests.clients.node import DEADLINE

VIEWER = gql("{ viewer { username } }")
PUBLISH = gql("""
    mutation ($text: String!) {
        publishMessage(input: {topic: "other", text: $text}) { status message { cursor } }
    }
""")
MESSAGES = gql("""
    subscription ($topic: String! = "other", $after: String) {
        messages(topic: $topic, start: NEW, after: $after) { text cursor }
    }
""")
TRANSPORTS = ["http", "websocket"]


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_query_and_mutation(deployment: Deployment, transport: str) -> None:
    """Both are answered."""
    async with client(deployment, transport) as session:
        assert await session.execute(VIEWER) == {"viewer": {"username": "worker"}}
        done = await session.execute(GraphQLRequest(PUBLISH, variable_values={"text": "hello"}))
        assert done["publishMessage"]["status"] == "STORED"


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_error(deployment: Deployment, transport: str) -> None:
    """The code of an error reaches the program."""
    async with client(deployment, transport) as session:
        with pytest.raises(TransportQueryError) as caught:
            await session.execute(gql('mutation { pingTopic(topic: "missing") { pingedAt } }'))
    [error] = caught.value.errors or []
    assert error["extensions"]["code"] == "NOT_FOUND"


@pytest.mark.parametrize(
    ("transport", "kinds", "says"),
    [
        ("http", (TransportQueryError, TransportServerError), "token"),
        ("websocket", (TransportConnectionFailed, TransportError), ""),
    ],
)
async def test_refused_token(
    deployment: Deployment, transport: str, kinds: tuple[type[Exception], ...], says: str
) -> None:
    """It is an error, at once."""
    async with asyncio.timeout(DEADLINE):
        with pytest.raises(kinds) as caught:
            async with client(deployment, transport, key="wrong") as session:
                await session.execute(VIEWER)
    assert says in str(caught.value)


async def test_subscription_resumes(deployment: Deployment) -> None:
    """What comes while nobody listens comes first, behind the cursor."""
    texts = [f"{number} {uuid4()}" for number in range(3)]
    async with client(deployment, "http") as http:
        done = [
            await http.execute(GraphQLRequest(PUBLISH, variable_values={"text": text}))
            for text in texts
        ]
    cursor = done[0]["publishMessage"]["message"]["cursor"]
    assert [each["text"] for each in await messages(deployment, cursor, 2)] == texts[1:]


async def test_subscription_that_is_refused(deployment: Deployment) -> None:
    """A cursor that cannot be honoured is an error, with its code."""
    with pytest.raises(TransportQueryError) as caught:
        await messages(deployment, "nonsense", 1)
    [error] = caught.value.errors or []
    assert error["extensions"] == {"code": "BAD_INPUT", "field": "after"}


async def messages(deployment: Deployment, after: str, count: int) -> list[dict[str, Any]]:
    """Return the messages behind a cursor."""
    found: list[dict[str, Any]] = []
    async with asyncio.timeout(DEADLINE), client(deployment, "websocket") as session:
        async for result in session.subscribe(
            GraphQLRequest(MESSAGES, variable_values={"after": after})
        ):
            found.append(result["messages"])
            if len(found) == count:
                break
    return found


def client(deployment: Deployment, transport: str, key: str | None = None) -> Client:
    """Return a client of the worker's, or with another key."""
    headers = {"Authorization": f"Bearer {key or deployment.keys['worker']}"}
    server = deployment.server
    if transport == "http":
        return Client(transport=HTTPXAsyncTransport(server.graphql, headers=headers))
    return Client(
        transport=WebsocketsTransport(
            server.graphql_websocket,
            init_payload=headers,
            subprotocols=[WebsocketsTransport.GRAPHQLWS_SUBPROTOCOL],
        )
    )
