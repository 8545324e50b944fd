"""Queries in URLs: not answered, unless the host wants it; then to programs, and only queries.

Each test runs over the door beside Django and over Django's own view.
"""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from pytest_django import Settings

from dasf_broker import database
from dasf_broker.models import BrokerTopic
from tests.doors.clients import is_refusal, key_of
from tests.doors.test_http import CREATE, JSON, NEW_JSON, URL, door

__all__ = ["door"]

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("django_thread", "hub_lifetime"),
]


@pytest.fixture(autouse=True)
def _get_queries(settings: Settings) -> None:
    settings.DASF_GET_QUERIES = True


PINGS = {"query": 'subscription { pings(topic: "topic") { pingedAt } }'}
NODE = {
    "query": "query Named($s: String!) { topic(slug: $s) { slug } } query Other { __typename }",
    "operationName": "Named",
    "variables": '{"s": "topic"}',
}


@pytest.mark.parametrize("accept", [JSON, NEW_JSON])
async def test_query(door: Any, consumer: User, accept: str) -> None:
    """It is answered, with its variables, to who it is, and kept by no cache."""
    headers = {"accept": accept, "authorization": f"Bearer {await key_of(consumer)}"}
    response = await door.get(URL, params=NODE, headers=headers)
    assert response.status_code == 200
    assert response.headers["Content-Type"] == f"{accept}; charset=utf-8"
    assert "no-store" in response.headers["Cache-Control"]
    assert response.json() == {"data": {"topic": {"slug": "topic"}}}


async def test_not_by_itself(door: Any, consumer: User, settings: Settings) -> None:
    """A server that was not told to does not execute what stands in a URL."""
    settings.DASF_GET_QUERIES = False
    headers = {"accept": JSON, "authorization": f"Bearer {await key_of(consumer)}"}
    response = await door.get(URL, params=NODE, headers=headers)
    assert (response.status_code, response.headers["Allow"]) == (405, "POST")
    assert is_refusal(response.json()["errors"][0], "BAD_INPUT")


@pytest.mark.parametrize("request_", [CREATE, PINGS])
async def test_other_operations(door: Any, superuser: User, request_: dict[str, str]) -> None:
    """A link cannot change anything, nor open a stream."""
    headers = {"accept": JSON, "authorization": f"Bearer {await key_of(superuser)}"}
    response = await door.get(URL, params=request_, headers=headers)
    assert (response.status_code, response.headers["Allow"]) == (405, "POST")
    assert is_refusal(response.json()["errors"][0], "BAD_INPUT")
    assert not await database.read(BrokerTopic.objects.exists)


@pytest.mark.parametrize(
    ("params", "status"),
    [
        ({"query": "{ unknown }"}, 400),
        ({"query": "{"}, 400),
        ({"query": ""}, 400),
        ({"query": "{ __typename }", "variables": "{"}, 400),
        ({"query": "{ __typename }", "variables": "[]"}, 400),
        ({"query": "{ __typename }", "extensions": "1"}, 400),
        ({"query": "{ __typename }", "operationName": "missing"}, 400),
        ({}, 405),
    ],
    ids=str,
)
async def test_what_is_no_query(door: Any, params: dict[str, str], status: int) -> None:
    """It says what is wrong."""
    response = await door.get(URL, params=params, headers={"accept": NEW_JSON})
    assert response.status_code == status
    [error] = response.json()["errors"]
    assert error["extensions"]["code"] == "BAD_INPUT"


async def test_wrong_credential(door: Any) -> None:
    """It is refused here, too."""
    headers = {"accept": JSON, "authorization": "Bearer wrong"}
    response = await door.get(URL, params={"query": "{ __typename }"}, headers=headers)
    assert response.status_code == 401


async def test_people_see_the_page(door: Any) -> None:
    """A browser shows the page, and executes nothing by itself."""
    headers = {"accept": "text/html,*/*;q=0.8"}
    response = await door.get(URL, params={"query": "{ __typename }"}, headers=headers)
    assert response.headers["Content-Type"].startswith("text/html")
