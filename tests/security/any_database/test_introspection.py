"""Who is told the schema and shown the page: everybody while developing, staff otherwise."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from django.contrib.auth.models import User
from graphql import get_introspection_query
from pytest_django import Settings

from dasf_broker import database
from tests.conftest import MakeUser
from tests.doors.clients import GraphQLClient, is_refusal
from tests.doors.test_http import JSON, URL, door, log_in

__all__ = ["door"]

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("django_thread"),
]

SCHEMA = "{ __schema { queryType { name } } }"
HIDDEN = """query ($no: Boolean = false) {
  viewer { username } ... @skip(if: $no) { x: __type(name: "Query") { name } }
}"""

#: What a setting says while debugging or not, and who is let in.
AUDIENCES = [
    (None, False, {"staff"}),
    (None, True, {"staff", "user", "nobody"}),
    ("everybody", False, {"staff", "user", "nobody"}),
    ("staff", True, {"staff"}),
    ("nobody", True, set()),
]


@pytest.fixture
def people(make_user: MakeUser) -> dict[str, User | None]:
    """Return one of each kind."""
    return {
        "staff": make_user("staff", is_staff=True),
        "user": make_user("user"),
        "nobody": None,
    }


@pytest.mark.parametrize(("audience", "debug", "allowed"), AUDIENCES)
async def test_introspection(
    client: GraphQLClient,
    people: dict[str, User | None],
    settings: Settings,
    audience: str | None,
    debug: bool,
    allowed: set[str],
) -> None:
    """Each request is judged by its caller, though the document is kept for all."""
    settings.DASF_INTROSPECTION, settings.DEBUG = audience, debug
    for name, user in people.items():
        for query in (SCHEMA, HIDDEN, get_introspection_query()):
            answer = await client.execute(query, as_=user)
            assert (not answer["errors"]) is (name in allowed), (name, query)
            if name not in allowed:
                assert is_refusal(answer["errors"][0], "FORBIDDEN")
                assert "DASF_INTROSPECTION" in answer["errors"][0]["message"]
                assert answer["data"] is None


async def test_type_names_are_told_to_everybody(client: GraphQLClient) -> None:
    """Caches of clients need them."""
    query = "{ __typename viewer { __typename } topics(first: 1) { __typename } }"
    answer = await client.execute(query)
    assert not answer["errors"]


async def test_other_operations_of_the_document(client: GraphQLClient) -> None:
    """A document may hold an operation that asks for the schema, as long as it is not that one."""
    request = {"query": f"query a {{ __typename }} query b {SCHEMA}", "operationName": "a"}
    assert not (await client.send(request, None))["errors"]
    [error] = (await client.send({**request, "operationName": "b"}, None))["errors"]
    assert is_refusal(error, "FORBIDDEN")


async def test_staff_that_left(client: GraphQLClient, people: dict[str, Any]) -> None:
    """Who is no longer active is told nothing."""
    staff = people["staff"]
    staff.is_active = False
    await database.write(staff.save)
    assert (await client.execute(SCHEMA, as_=staff))["data"] is None


@pytest.mark.parametrize(("audience", "debug", "allowed"), AUDIENCES)
async def test_page(
    door: httpx.AsyncClient,
    people: dict[str, User | None],
    settings: Settings,
    audience: str | None,
    debug: bool,
    allowed: set[str],
) -> None:
    """The page has a setting of its own."""
    settings.DASF_GRAPHIQL, settings.DEBUG = audience, debug
    for name, user in people.items():
        door.cookies.clear()
        if user is not None:
            await log_in(door, user)
        response = await door.get(URL, headers={"accept": "text/html"})
        kind = "text/html" if name in allowed else JSON
        assert response.headers["Content-Type"].startswith(kind), name
        assert response.status_code == (200 if name in allowed else 403)
        if name not in allowed:
            assert is_refusal(response.json()["errors"][0], "FORBIDDEN")
            assert "DASF_GRAPHIQL" in response.text
