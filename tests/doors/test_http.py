"""GraphQL over HTTP: media types, statuses, and who must prove that they are no other site.

Each test runs over the door beside Django and over Django's own view.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from django.conf import settings as django_settings
from django.contrib.auth.models import User
from django.core.asgi import get_asgi_application
from django.middleware.csrf import _get_new_csrf_string
from django.test import AsyncClient
from pytest_django import Settings

from dasf_broker import database
from dasf_broker.models import BrokerTopic
from dasf_broker.routing import broker_application
from testproject.asgi import application, django_application
from tests.doors.clients import is_refusal, key_of
from tests.doors.several import doors_of_this_backend

pytestmark = pytest.mark.django_db(transaction=True)

URL = "/graphql/"
JSON = "application/json"
NEW_JSON = "application/graphql-response+json"
VIEWER = {"query": "{ viewer { username } }"}
CREATE = {"query": 'mutation { createTopic(input: {slug: "made"}) { topic { slug } } }'}


@pytest.fixture(params=doors_of_this_backend(["beside Django", "Django's view"]))
async def door(request: pytest.FixtureRequest) -> AsyncIterator[httpx.AsyncClient]:
    """Return a client of each of the two doors in turn."""
    served: Any = application if request.param == "beside Django" else django_application
    transport = httpx.ASGITransport(served, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
        yield client


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
async def test_media_type(door: httpx.AsyncClient, accept: str | None, kind: str) -> None:
    """The newer media type is answered to who names it and prefers it."""
    response = await _post(door, VIEWER, **({"accept": accept} if accept else {}))
    assert response.status_code == 200
    assert response.headers["Content-Type"] == f"{kind}; charset=utf-8"
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
async def test_status(
    door: httpx.AsyncClient, accept: str, request_: dict[str, Any], new_status: int
) -> None:
    """With the newer media type, what was not executed is 400 and has no `data`."""
    response = await _post(door, request_, accept=accept)
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
async def test_body_that_is_no_request(
    door: httpx.AsyncClient, body: str | bytes, accept: str
) -> None:
    """It is 400 with an error in GraphQL's form, whatever was asked for; lists are no batches."""
    response = await _post(door, body, accept=accept)
    assert response.status_code == 400
    [error] = response.json()["errors"]
    assert error["extensions"]["code"] == "BAD_INPUT"
    assert "data" not in response.json()


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "x"]
)
async def test_other_content_types(door: httpx.AsyncClient, kind: str) -> None:
    """Only JSON is taken: what plain HTML forms send is 415."""
    response = await _post(door, VIEWER, content_type=kind)
    assert response.status_code == 415
    assert is_refusal(response.json()["errors"][0], "BAD_INPUT")


async def test_content_type_with_charset(door: httpx.AsyncClient) -> None:
    """A charset beside the type does no harm."""
    response = await _post(door, VIEWER, content_type="application/json; charset=utf-8")
    assert response.status_code == 200


async def test_body_that_is_too_large(door: httpx.AsyncClient, settings: Settings) -> None:
    """A body above Django's limit is 413."""
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 100
    response = await _post(door, {"query": VIEWER["query"], "variables": {"x": "x" * 200}})
    assert response.status_code == 413
    assert is_refusal(response.json()["errors"][0], "PAYLOAD_TOO_LARGE")


@pytest.mark.parametrize("accept", ["*/*", "text/html", JSON, NEW_JSON])
async def test_get_executes_nothing(door: httpx.AsyncClient, superuser: User, accept: str) -> None:
    """A query in the URL is not executed, with right or without."""
    response = await door.get(
        URL,
        params=CREATE,
        headers={"accept": accept, "authorization": f"Bearer {await key_of(superuser)}"},
    )
    shows_page = accept in ("*/*", "text/html")
    assert response.status_code == (200 if shows_page else 405)
    assert shows_page or response.headers["Allow"] == "POST"
    assert not await database.read(BrokerTopic.objects.exists)


@pytest.mark.parametrize("method", ["put", "patch", "delete"])
async def test_other_methods(door: httpx.AsyncClient, method: str) -> None:
    """There is GET for people and POST for programs."""
    response = await door.request(method, URL)
    assert response.status_code == 405


@pytest.mark.parametrize(("accept", "status"), [(JSON, 200), (NEW_JSON, 400)])
async def test_subscription_is_refused(door: httpx.AsyncClient, accept: str, status: int) -> None:
    """A subscription needs a websocket, and is told so."""
    query = {"query": 'subscription { pings(topic: "topic") { pingedAt } }'}
    response = await _post(door, query, accept=accept)
    assert response.status_code == status
    [error] = response.json()["errors"]
    assert is_refusal(error, "BAD_INPUT")
    assert "websocket" in error["message"]


@pytest.mark.parametrize(
    "authorization", ["Bearer wrong", "Token wrong", "Bearer", "Bearer ", "Basic eDp5", "x", ""]
)
async def test_wrong_credential_is_never_nobody(
    door: httpx.AsyncClient, authorization: str
) -> None:
    """A credential that is wrong is 401, though nobody may ask the same."""
    response = await _post(door, VIEWER, authorization=authorization)
    assert response.status_code == 401
    assert is_refusal(response.json()["errors"][0], "UNAUTHENTICATED")


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "Token", "TOKEN"])
async def test_schemes(door: httpx.AsyncClient, stranger: User, scheme: str) -> None:
    """Both schemes count, in any case."""
    response = await _post(door, VIEWER, authorization=f"{scheme} {await key_of(stranger)}")
    assert response.json()["data"]["viewer"]["username"] == "stranger"


async def test_session_needs_csrf_token(door: httpx.AsyncClient, superuser: User) -> None:
    """A cookie may be used by other sites' pages: without the token it does nothing."""
    await log_in(door, superuser)
    response = await _post(door, CREATE)
    assert response.status_code == 403
    assert is_refusal(response.json()["errors"][0], "FORBIDDEN")
    assert not await database.read(BrokerTopic.objects.exists)


async def test_session_with_csrf_token(door: httpx.AsyncClient, superuser: User) -> None:
    """With the token it counts."""
    await log_in(door, superuser)
    secret = _get_new_csrf_string()
    door.cookies["csrftoken"] = secret
    for header, status in ((secret, 200), (_get_new_csrf_string(), 403)):
        response = await _post(door, VIEWER, **{"x-csrftoken": header})
        assert response.status_code == status


async def test_token_needs_no_csrf_token(
    door: httpx.AsyncClient, superuser: User, stranger: User
) -> None:
    """A key is sent by who knows it; it goes before the cookie."""
    await log_in(door, superuser)
    response = await _post(door, VIEWER, authorization=f"Bearer {await key_of(stranger)}")
    assert response.json() == {"data": {"viewer": {"username": "stranger"}}}


async def test_wrong_token_beside_a_session(door: httpx.AsyncClient, superuser: User) -> None:
    """A wrong key is refused though a cookie would do."""
    await log_in(door, superuser)
    response = await _post(door, VIEWER, authorization="Bearer wrong")
    assert response.status_code == 401


async def test_session_of_a_trusted_page(
    door: httpx.AsyncClient, superuser: User, settings: Settings
) -> None:
    """Beside the token, the page must be one of ours: the origin is looked at."""
    settings.CSRF_TRUSTED_ORIGINS = ["https://pages.example"]
    await log_in(door, superuser)
    door.cookies["csrftoken"] = secret = _get_new_csrf_string()
    origins = {"http://testserver": 200, "https://pages.example": 200, "https://evil.example": 403}
    for origin, status in origins.items():
        response = await _post(door, VIEWER, origin=origin, **{"x-csrftoken": secret})
        assert response.status_code == status, origin


async def test_csrf_token_in_the_session(
    door: httpx.AsyncClient, superuser: User, settings: Settings
) -> None:
    """Hosts may keep the CSRF token in the session."""
    settings.CSRF_USE_SESSIONS = True
    await log_in(door, superuser)
    response = await _post(door, CREATE)
    assert response.status_code == 403


async def test_host_that_is_not_ours(door: httpx.AsyncClient, settings: Settings) -> None:
    """A name that somebody else points at this server is refused."""
    settings.ALLOWED_HOSTS = ["testserver"]
    response = await _post(door, VIEWER, host="evil.example")
    assert response.status_code == 400


@pytest.mark.parametrize("through_middleware", [False, True])
async def test_plain_http_is_sent_elsewhere(
    settings: Settings, django_thread: None, through_middleware: bool
) -> None:
    """Where the host insists on TLS, nothing is executed without."""
    settings.SECURE_SSL_REDIRECT = True  # which Django's middleware reads when it is made
    served: Any = broker_application(get_asgi_application(), through_middleware=through_middleware)
    for scheme, status in (("http", 301), ("https", 200)):
        transport = httpx.ASGITransport(served)
        url = f"{scheme}://testserver"
        async with httpx.AsyncClient(transport=transport, base_url=url) as door:
            response = await _post(door, VIEWER)
        assert response.status_code == status


async def test_body_that_never_ends(settings: Settings) -> None:
    """Who sends half a request and no more is not waited for."""
    settings.DASF_BODY_TIMEOUT = 0.05

    async def half() -> AsyncIterator[bytes]:
        yield b'{"query": '
        await asyncio.Event().wait()

    transport = httpx.ASGITransport(application)
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as door:
        response = await door.post(URL, content=half(), headers={"content-type": JSON})
    assert response.status_code == 408
    assert is_refusal(response.json()["errors"][0], "BAD_INPUT")


async def test_answers_are_taken_as_what_they_are(door: httpx.AsyncClient) -> None:
    """No browser makes a page of what it is told is JSON."""
    response = await _post(door, VIEWER)
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Content-Length"] == str(len(response.content))


async def _post(
    door: httpx.AsyncClient, body: Any, content_type: str = JSON, **headers: str
) -> httpx.Response:
    content = body if isinstance(body, (str, bytes)) else json.dumps(body)
    headers = {"accept": "*/*", "content-type": content_type, **headers}
    return await door.post(URL, content=content, headers=headers)


async def log_in(door: httpx.AsyncClient, user: User) -> None:
    """Give a client the cookie of a session."""
    client = AsyncClient()
    await client.aforce_login(user, "django.contrib.auth.backends.ModelBackend")
    name = django_settings.SESSION_COOKIE_NAME
    door.cookies[name] = client.cookies[name].value
