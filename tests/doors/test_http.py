"""GraphQL over HTTP: media types, statuses, and who must prove that they are no other site."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.middleware.csrf import _get_new_csrf_string
from django.test import AsyncClient
from pytest_django import Settings

from dasf_broker import database
from dasf_broker.models import BrokerTopic
from tests.doors.clients import is_refusal, key_of

pytestmark = pytest.mark.django_db(transaction=True)

URL = "/graphql/"
JSON = "application/json"
NEW_JSON = "application/graphql-response+json"
VIEWER = {"query": "{ viewer { username } }"}
CREATE = {"query": 'mutation { createTopic(input: {slug: "made"}) { topic { slug } } }'}


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        (None, JSON),
        ("*/*", JSON),
        (JSON, JSON),
        (NEW_JSON, NEW_JSON),
        (f"{NEW_JSON}, {JSON};q=0.9", NEW_JSON),
        (f"{JSON}, {NEW_JSON};q=0.5", JSON),
        (f"{NEW_JSON}; charset=utf-8, {JSON}; charset=utf-8", NEW_JSON),
        (f"{NEW_JSON};q=0, {JSON}", JSON),
        # What urql, Apollo and relay send.
        (f"{NEW_JSON}, {JSON}, text/event-stream, multipart/mixed", NEW_JSON),
    ],
)
async def test_media_type(accept: str | None, kind: str) -> None:
    """The newer media type is answered to who names it and prefers it."""
    response = await _post(VIEWER, **({"accept": accept} if accept else {}))
    assert response.status_code == 200
    assert response["Content-Type"] == f"{kind}; charset=utf-8"
    assert response.json() == {"data": {"viewer": {"username": None}}}


@pytest.mark.parametrize("accept", [JSON, NEW_JSON])
@pytest.mark.parametrize(
    ("request_", "new_status"),
    [
        (VIEWER, 200),
        ({"query": '{ topic(slug: "missing") { slug } }'}, 200),
        ({"query": "{"}, 400),
        ({"query": "{ unknown }"}, 400),
        ({"query": "query ($x: Int!) { topics(first: $x) { edges { cursor } } }"}, 400),
        ({"query": "query a { viewer { username } }", "operationName": "b"}, 400),
    ],
    ids=str,
)
async def test_status(accept: str, request_: dict[str, Any], new_status: int) -> None:
    """With the newer media type, what was not executed is 400 and has no `data`."""
    response = await _post(request_, accept=accept)
    assert response.status_code == (new_status if accept == NEW_JSON else 200)
    assert ("data" in response.json()) is (new_status == 200)


@pytest.mark.parametrize("accept", [JSON, NEW_JSON])
@pytest.mark.parametrize(
    "body",
    [
        " ",
        "{",
        "nonsense",
        "null",
        "1",
        '"text"',
        json.dumps([VIEWER]),
        "{}",
        '{"query": null}',
        '{"query": 1}',
        '{"query": ""}',
        '{"query": "{ viewer { username } }", "variables": []}',
        '{"query": "{ viewer { username } }", "operationName": 1}',
        '{"query": "{ viewer { username } }", "extensions": 1}',
        "[" * 100_000,
        '{"query":' * 100_000,
        b"\xff\xfe",
    ],
    ids=lambda body: ascii(body)[:40],
)
async def test_body_that_is_no_request(body: str | bytes, accept: str) -> None:
    """It is 400 with an error in GraphQL's form, whatever was asked for; lists are no batches."""
    response = await _post(body, accept=accept)
    assert response.status_code == 400
    [error] = response.json()["errors"]
    assert error["extensions"]["code"] == "BAD_INPUT"
    assert "data" not in response.json()


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "x"]
)
async def test_other_content_types(kind: str) -> None:
    """Only JSON is taken: what plain HTML forms send is 415."""
    response = await AsyncClient().post(URL, json.dumps(VIEWER).encode(), content_type=kind)
    assert response.status_code == 415
    assert is_refusal(response.json()["errors"][0], "BAD_INPUT")


async def test_content_type_with_charset() -> None:
    """A charset beside the type does no harm."""
    response = await _post(VIEWER, content_type="application/json; charset=utf-8")
    assert response.status_code == 200


async def test_body_that_is_too_large(settings: Settings) -> None:
    """A body above Django's limit is 413."""
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 100
    response = await _post({"query": VIEWER["query"], "variables": {"x": "x" * 200}})
    assert response.status_code == 413
    assert is_refusal(response.json()["errors"][0], "PAYLOAD_TOO_LARGE")


@pytest.mark.parametrize("accept", ["*/*", "text/html", JSON, NEW_JSON])
async def test_get_executes_nothing(superuser: User, accept: str) -> None:
    """A query in the URL is not executed, with right or without."""
    response = await AsyncClient().get(
        URL,
        CREATE,
        headers={"accept": accept, "authorization": f"Bearer {await key_of(superuser)}"},
    )
    shows_page = accept in ("*/*", "text/html")
    assert response.status_code == (200 if shows_page else 405)
    assert shows_page or response["Allow"] == "POST"
    assert not await database.read(BrokerTopic.objects.exists)


@pytest.mark.parametrize("method", ["put", "patch", "delete"])
async def test_other_methods(method: str) -> None:
    """There is GET for people and POST for programs."""
    response = await getattr(AsyncClient(), method)(URL)
    assert response.status_code == 405


@pytest.mark.parametrize(("accept", "status"), [(JSON, 200), (NEW_JSON, 400)])
async def test_subscription_is_refused(accept: str, status: int) -> None:
    """A subscription needs a websocket, and is told so."""
    query = {"query": 'subscription { pings(topic: "topic") { pingedAt } }'}
    response = await _post(query, accept=accept)
    assert response.status_code == status
    [error] = response.json()["errors"]
    assert is_refusal(error, "BAD_INPUT")
    assert "websocket" in error["message"]


@pytest.mark.parametrize(
    "authorization", ["Bearer wrong", "Token wrong", "Bearer", "Bearer ", "Basic eDp5", "x", ""]
)
async def test_wrong_credential_is_never_nobody(authorization: str) -> None:
    """A credential that is wrong is 401, though nobody may ask the same."""
    response = await _post(VIEWER, authorization=authorization)
    assert response.status_code == 401
    assert is_refusal(response.json()["errors"][0], "UNAUTHENTICATED")


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "Token", "TOKEN"])
async def test_schemes(stranger: User, scheme: str) -> None:
    """Both schemes count, in any case."""
    response = await _post(VIEWER, authorization=f"{scheme} {await key_of(stranger)}")
    assert response.json()["data"]["viewer"]["username"] == "stranger"


async def test_session_needs_csrf_token(superuser: User, django_thread: None) -> None:
    """A cookie may be used by other sites' pages: without the token it does nothing."""
    client = await _logged_in(superuser)
    response = await client.post(URL, CREATE, content_type=JSON)
    assert response.status_code == 403
    assert is_refusal(response.json()["errors"][0], "FORBIDDEN")
    assert not await database.read(BrokerTopic.objects.exists)


async def test_session_with_csrf_token(superuser: User, django_thread: None) -> None:
    """With the token it counts."""
    client = await _logged_in(superuser)
    secret = _get_new_csrf_string()
    client.cookies["csrftoken"] = secret
    for header, status in ((secret, 200), (_get_new_csrf_string(), 403)):
        response = await client.post(
            URL, VIEWER, content_type=JSON, headers={"x-csrftoken": header}
        )
        assert response.status_code == status


async def test_token_needs_no_csrf_token(
    superuser: User, stranger: User, django_thread: None
) -> None:
    """A key is sent by who knows it; it goes before the cookie."""
    client = await _logged_in(superuser)
    headers = {"authorization": f"Bearer {await key_of(stranger)}"}
    response = await client.post(URL, VIEWER, content_type=JSON, headers=headers)
    assert response.json() == {"data": {"viewer": {"username": "stranger"}}}


async def test_wrong_token_beside_a_session(superuser: User, django_thread: None) -> None:
    """A wrong key is refused though a cookie would do."""
    client = await _logged_in(superuser)
    headers = {"authorization": "Bearer wrong"}
    response = await client.post(URL, VIEWER, content_type=JSON, headers=headers)
    assert response.status_code == 401


async def _post(body: Any, content_type: str = JSON, **headers: str) -> Any:
    content = body if isinstance(body, (str, bytes)) else json.dumps(body)
    client = AsyncClient(enforce_csrf_checks=True)
    return await client.post(URL, content, content_type=content_type, headers=headers)


async def _logged_in(user: User) -> AsyncClient:
    client = AsyncClient(enforce_csrf_checks=True)
    await client.aforce_login(user, "django.contrib.auth.backends.ModelBackend")
    return client
