"""Errors help nobody to guess names, and tell nothing of the program."""

from __future__ import annotations

import json
from typing import Any, NoReturn

import httpx
import pytest
from django.core.exceptions import DisallowedHost, SuspiciousOperation
from django.db import OperationalError
from graphql import GraphQLError, parse

from dasf_broker.models import BrokerTopic
from dasf_broker.schema.errors import format_errors
from dasf_broker.transports.websocket import dasf_protocol
from dasf_broker.transports.websocket import graphql as graphql_socket
from tests.doors.clients import GraphQLClient, is_refusal
from tests.doors.conftest import OpenSocket
from tests.doors.sockets import ClosedError
from tests.doors.test_http import JSON, URL, door

__all__ = ["door"]

pytestmark = pytest.mark.django_db(transaction=True)

#: Nearly right names everywhere, and the right ones, which no error may have.
NEARLY = [
    ("{ viewr { username } }", "viewer"),
    ("{ viewer { usernam } }", "username"),
    ('{ topic(slgu: "x", slug: "y") { slug } }', 'slug\\"'),
    ('{ topic(slug: "x") { ... on BrokerTopc { slug } } }', "BrokerTopic"),
    ('{ node(id: "x") { slug } }', "BrokerTopic"),
    ('{ topic(slug: "x") { responseTopics { edges { cursor } } } }', "BrokerTopic"),
    ("{ topics(order: SLUGG) { edges { cursor } } }", 'SLUG\\"'),
    ('{ topics(order: "SLUG") { edges { cursor } } }', 'enum value \\"SLUG'),
    ("{ topics(filter: {serch: 1}) { edges { cursor } } }", "search"),
    ("{ __typename @skp(if: true) }", "skip"),
    ("{ __typename @skip(iff: true, if: true) }", '\\"if\\"'),
    ("query ($x: Strin) { topic(slug: $x) { slug } }", 'String\\"'),
    ("{ ...Parts } fragment Part on Query { __typename }", '\\"Part\\"?'),
    ("mutation { publishMessag(input: {}) { status } }", 'publishMessage\\"'),
    ('mutation { publishMessage(input: {topc: "x"}) { status } }', '\\"topic\\"?'),
    ('subscription { message(topic: "x") { text } }', "messages"),
]

#: The same in variables.
VARIABLES: list[tuple[str, Any, str]] = [
    ("query ($x: TopicOrder!) { topics(order: $x) { edges { cursor } } }", "SLUGG", 'SLUG\\"'),
    ("query ($x: TopicFilter) { topics(filter: $x) { edges { cursor } } }", {"serch": 1}, "search"),
    (
        "query ($x: TopicFilter) { topics(filter: $x) { edges { cursor } } }",
        {"availability": "ONLIN"},
        "ONLINE",
    ),
    (
        "mutation ($x: PublishMessageInput!) { publishMessage(input: $x) { status } }",
        {"topic": "x", "propertys": {}},
        "properties",
    ),
]


@pytest.mark.parametrize(("query", "secret"), NEARLY)
async def test_no_suggestions(client: GraphQLClient, query: str, secret: str) -> None:
    """A wrong name in a document is repeated, and no right one is told."""
    _check(await client.execute(query), secret)


@pytest.mark.parametrize(("query", "value", "secret"), VARIABLES)
async def test_no_suggestions_for_variables(
    client: GraphQLClient, query: str, value: Any, secret: str
) -> None:
    """So it is with variables."""
    _check(await client.execute(query, {"x": value}), secret)


@pytest.mark.parametrize(
    "query", ["{ vie", "{ viewer { username }", "quer { viewer }", "{ viewer(: 1) }", '{ x(y: "']
)
async def test_no_suggestions_for_the_syntax(client: GraphQLClient, query: str) -> None:
    """What does not parse has a place, and no advice."""
    _check(await client.execute(query), 'viewer\\"')


@pytest.mark.parametrize(
    "target",
    [
        "dasf_broker.transports.http.django_view.identify_request",
        "dasf_broker.transports.http.django_view.read_json",
        "dasf_broker.transports.http.django_view.Context",
        "dasf_broker.transports.http.django_view.served_schema",
        "dasf_broker.transports.http.django_view.execute",
        "dasf_broker.transports.graphql.execution.read_document",
    ],
)
@pytest.mark.parametrize("kind", [RuntimeError, ValueError, TypeError, OSError, RecursionError])
async def test_failure_of_the_door(
    door: httpx.AsyncClient,
    target: str,
    kind: type[Exception],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Whatever breaks around the execution, the caller gets a log id, and the log has the rest."""
    monkeypatch.setattr(target, _raiser(kind("the secret")))
    response = await _post(door)
    assert response.status_code == 500
    [error] = response.json()["errors"]
    assert set(error) == {"message", "extensions"}
    assert set(error["extensions"]) == {"code", "logId"}
    assert is_refusal(error, "INTERNAL")
    assert "secret" not in response.text
    log_id = error["extensions"]["logId"]
    [record] = [each for each in caplog.records if log_id in each.getMessage()]
    assert record.exc_info is not None
    assert str(record.exc_info[1]) == "the secret"


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (OperationalError("the secret"), 503, "UNAVAILABLE"),
        (SuspiciousOperation("the secret"), 400, "BAD_INPUT"),
        (DisallowedHost("the secret"), 400, "BAD_INPUT"),
    ],
)
async def test_failure_that_is_known(
    door: httpx.AsyncClient,
    error: Exception,
    status: int,
    code: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The database that is down and the request that Django refuses have codes of their own."""
    monkeypatch.setattr("dasf_broker.transports.http.django_view.identify_request", _raiser(error))
    response = await _post(door)
    assert response.status_code == status
    assert response.json()["errors"][0]["extensions"]["code"] == code
    assert "secret" not in response.text


@pytest.mark.parametrize("path", ["/graphql/", "/ws/topic"])
@pytest.mark.parametrize(("kind", "code"), [(RuntimeError, 1011), (OperationalError, 1013)])
async def test_failure_of_a_socket(
    open_socket: OpenSocket,
    topic: BrokerTopic,
    path: str,
    kind: type[Exception],
    code: int,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It is closed with a code that says whether to come back; the log has the cause, once."""
    for module in (graphql_socket, dasf_protocol):
        monkeypatch.setattr(module, "identify_socket", _raiser(kind("the secret")))
    socket = await open_socket(path=path)
    await socket.send({"type": "connection_init"})
    with pytest.raises(ClosedError) as closed:
        await socket.receive()
    assert closed.value.code == code
    assert "secret" not in (closed.value.reason or "")
    [record] = [each for each in caplog.records if each.exc_info]
    assert "the secret" in str(record.exc_info)


@pytest.mark.parametrize("kind", [RuntimeError, ValueError, TypeError, KeyError])
def test_error_of_the_program_is_no_error_of_a_value(kind: type[Exception]) -> None:
    """Only what has a place in the document is taken for a value that could not be read."""
    error = kind("the secret")
    [shown] = format_errors([GraphQLError(str(error), original_error=error)])
    assert shown["extensions"]["code"] == "INTERNAL"
    assert "secret" not in json.dumps(shown)
    value = GraphQLError("no date", parse("{ x }"), original_error=ValueError("no date"))
    assert format_errors([value])[0]["extensions"]["code"] == "BAD_INPUT"


def _check(answer: Any, secret: str) -> None:
    text = json.dumps(answer["errors"])
    assert answer["data"] is None
    assert {error["extensions"]["code"] for error in answer["errors"]} == {"BAD_INPUT"}
    assert "did you mean" not in text.lower()
    assert secret not in text


async def _post(door: httpx.AsyncClient) -> httpx.Response:
    body = json.dumps({"query": "{ __typename }"})
    return await door.post(URL, content=body, headers={"content-type": JSON})


def _raiser(error: Exception) -> Any:
    def fail(*_: Any, **__: Any) -> NoReturn:
        raise error

    return fail
