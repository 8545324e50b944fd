"""The twelve checks of graphql-cop, a scanner of GraphQL endpoints, on a production server.

https://github.com/dolevf/graphql-cop. Each is tried on the door beside Django and on Django's view.
"""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from django.contrib.auth.models import User
from pytest_django import Settings

from dasf_broker import database
from dasf_broker.models import BrokerTopic
from tests.doors.clients import is_refusal, key_of
from tests.doors.test_http import CREATE, JSON, URL, door, log_in

__all__ = ["door"]

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("django_thread"),
]

TYPENAME = {"query": "query cop { __typename }"}
CIRCULAR = "fields { type { " * 4 + "fields { name }" + " } }" * 4


@pytest.mark.parametrize(
    ("query", "unit"),
    [
        ("query cop { " + "".join(f"alias{n}: __typename " for n in range(101)) + "}", "aliases"),
        ("query cop { __typename " + "@include(if: true) " * 70 + "}", "directives"),
        ("query cop { " + "__typename " * 500 + "}", "tokens"),
        ("query cop { " + "__typename " * 60 + "}", "repeats"),
        (f"query cop {{ __schema {{ types {{ {CIRCULAR} }} }} }}", "lists"),
    ],
    ids=["alias overloading", "directive overloading", "tokens", "field duplication", "circular"],
)
async def test_overloading(door: httpx.AsyncClient, query: str, unit: str) -> None:
    """Documents that repeat something many times are not executed."""
    response = await _post(door, {"query": query})
    [error] = response.json()["errors"]
    assert error["extensions"]["unit"] == unit
    assert is_refusal(error, "QUERY_TOO_COMPLEX")
    assert "data" not in response.json()


async def test_circular_fragments(door: httpx.AsyncClient) -> None:
    """Fragments that contain each other are refused."""
    query = "{ ...a } fragment a on Query { ...b } fragment b on Query { ...a }"
    response = await _post(door, {"query": query})
    assert is_refusal(response.json()["errors"][0], "BAD_INPUT")
    assert "data" not in response.json()


async def test_batch_queries(door: httpx.AsyncClient) -> None:
    """A list of requests is not executed."""
    response = await _post(door, [TYPENAME] * 10)
    assert response.status_code == 400
    assert is_refusal(response.json()["errors"][0], "BAD_INPUT")


async def test_field_suggestions(door: httpx.AsyncClient) -> None:
    """A wrong name brings no right one."""
    response = await _post(door, {"query": "query cop { viewr topc }"})
    assert len(response.json()["errors"]) == 2
    assert "did you mean" not in response.text.lower()
    assert "viewer" not in response.text


@pytest.mark.parametrize("accept", ["*/*", "text/html", JSON])
async def test_get_based_mutation(door: httpx.AsyncClient, superuser: User, accept: str) -> None:
    """A link changes nothing, whoever follows it."""
    await log_in(door, superuser)
    for headers in ({}, {"authorization": f"Bearer {await key_of(superuser)}"}):
        await door.get(URL, params=CREATE, headers={"accept": accept, **headers})
    assert not await database.read(BrokerTopic.objects.exists)


@pytest.mark.parametrize(
    ("is_on", "status", "code"), [(False, 405, "BAD_INPUT"), (True, 403, "FORBIDDEN")]
)
async def test_get_based_query_with_a_cookie(
    door: httpx.AsyncClient,
    superuser: User,
    settings: Settings,
    is_on: bool,
    status: int,
    code: str,
) -> None:
    """A link of another site's page tells it nothing, and costs nothing, also where GET is on."""
    settings.DASF_GET_QUERIES = is_on
    await log_in(door, superuser)
    query = {"query": "{ viewer { username } }"}
    response = await door.get(URL, params=query, headers={"accept": JSON})
    assert response.status_code == status
    assert is_refusal(response.json()["errors"][0], code)


async def test_graphiql_exposed(door: httpx.AsyncClient) -> None:
    """A stranger's browser finds no console."""
    response = await door.get(URL, headers={"accept": "text/html"})
    assert response.status_code == 403
    assert response.headers["Content-Type"].startswith(JSON)
    assert "graphiql/" not in response.text


@pytest.mark.parametrize(
    "query", ["{ __schema { types { name } } }", '{ __type(name: "Query") { name } }']
)
async def test_introspection_enabled(door: httpx.AsyncClient, query: str) -> None:
    """A stranger is not told the schema."""
    response = await _post(door, {"query": query})
    assert is_refusal(response.json()["errors"][0], "FORBIDDEN")
    assert "data" not in response.json()


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "multipart/form-data"])
async def test_forms(door: httpx.AsyncClient, superuser: User, kind: str) -> None:
    """What a form of another site can send is not executed, though a cookie comes along."""
    await log_in(door, superuser)
    form: dict[str, Any] = {"data": CREATE}
    if kind == "multipart/form-data":
        form = {"files": {name: (None, text) for name, text in CREATE.items()}}
    response = await door.post(URL, **form)
    assert response.status_code == 415
    assert not await database.read(BrokerTopic.objects.exists)


@pytest.mark.parametrize("header", ["x-apollo-tracing", "apollo-query-plan-experimental"])
async def test_trace_mode(door: httpx.AsyncClient, header: str) -> None:
    """Nobody is told how long the parts took."""
    response = await _post(door, TYPENAME, **{header: "1"})
    assert response.json() == {"data": {"__typename": "Query"}}


async def test_unhandled_errors(door: httpx.AsyncClient) -> None:
    """Nonsense is answered without a word of the program."""
    response = await _post(door, {"query": "qwerty cop { abc }"})
    [error] = response.json()["errors"]
    assert set(error) == {"message", "locations", "extensions"}
    assert error["extensions"] == {"code": "BAD_INPUT"}


async def _post(door: httpx.AsyncClient, body: Any, **headers: str) -> httpx.Response:
    headers = {"content-type": JSON, **headers}
    return await door.post(URL, content=json.dumps(body), headers=headers)
