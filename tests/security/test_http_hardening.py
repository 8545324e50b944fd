"""Requests that no honest client sends: too large, too slow, in disguise, or from other sites."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import pytest
from django.contrib.auth.models import User
from pytest_django import Settings

from dasf_broker.routing import broker_application
from testproject.asgi import django_application
from tests.doors.clients import is_refusal
from tests.doors.several import doors_of_this_backend
from tests.doors.test_http import JSON, URL, VIEWER, door, log_in

__all__ = ["door"]

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("django_thread"),
]

#: Sends chunks over ASGI itself: returns the answer, and how many chunks were taken.
Send = Callable[..., Awaitable[tuple[int, dict[str, str], Any, int]]]


#: The ways that `broker_application` has.
THROUGH_MIDDLEWARE = {"beside Django": False, "through middleware": True}


@pytest.fixture(params=doors_of_this_backend(THROUGH_MIDDLEWARE))
def send(request: pytest.FixtureRequest) -> Send:
    """Return a function that sends chunks through either way that `broker_application` has."""
    served = broker_application(
        django_application, through_middleware=THROUGH_MIDDLEWARE[request.param]
    )

    async def send_(chunks: list[bytes], *headers: tuple[str, str]) -> Any:
        return await _send(served, chunks, *headers)

    return send_


@pytest.mark.parametrize("length", [None, "100"])
async def test_large_body_is_not_read(send: Send, settings: Settings, length: str | None) -> None:
    """With the first chunk over the limit the request is refused; the rest is never taken."""
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
    headers = [("content-length", length)] if length else []
    status, sent, body, taken = await send([b"x" * 400] * 100, *headers)
    assert (status, sent["connection"], taken) == (413, "close", 3)
    assert is_refusal(body["errors"][0], "PAYLOAD_TOO_LARGE")


@pytest.mark.parametrize("length", ["1001", "9" * 5000])
async def test_announced_large_body_is_not_read(
    send: Send, settings: Settings, length: str
) -> None:
    """Who says that it is too much need not send it."""
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
    status, _, body, taken = await send([b"x" * 1001], ("content-length", length))
    assert (status, taken) == (413, 0)
    assert is_refusal(body["errors"][0], "PAYLOAD_TOO_LARGE")


async def test_slow_body(send: Send, settings: Settings) -> None:
    """Who sends half a request and no more is answered, and loses the connection."""
    settings.DASF_BODY_TIMEOUT = 0.05
    status, sent, body, _ = await send([b'{"query": '])
    assert (status, sent["connection"]) == (408, "close")
    assert is_refusal(body["errors"][0], "BAD_INPUT")


async def test_body_in_pieces(send: Send) -> None:
    """A body may come in as many chunks as the client likes, and say nothing of its length."""
    chunks = [bytes([each]) for each in json.dumps(VIEWER).encode()]
    status, _, body, _ = await send([*chunks, b""])
    assert (status, body) == (200, {"data": {"viewer": {"username": None}}})


async def test_chunked_body_is_counted(door: httpx.AsyncClient, settings: Settings) -> None:
    """Django's view takes no more than the limit either, where nothing stands before it."""
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(10):
            yield b" " * 400

    response = await door.post(URL, content=chunks(), headers={"content-type": JSON})
    assert response.status_code == 413
    assert is_refusal(response.json()["errors"][0], "PAYLOAD_TOO_LARGE")


@pytest.mark.parametrize(
    ("name", "value", "status"),
    [
        ("content-type", "application/json; charset=utf-8", 200),
        ("content-type", "APPLICATION/JSON; Charset=UTF-8", 200),
        ("content-type", "application/json; charset=utf-16", 415),
        ("content-type", "application/json; charset=iso-8859-1", 415),
        ("content-type", "application/json;charset=", 415),
        ("content-type", "application/json, application/json", 415),
        ("content-type", "text/json", 415),
        ("content-type", "", 415),
        ("content-encoding", "identity", 200),
        ("content-encoding", "gzip", 415),
        ("content-encoding", "br, gzip", 415),
        ("accept", ";;;=,/,*/;q=x", 200),
        ("accept", "a/" * 5000, 200),
        ("accept", "application/graphql-response+json;q=nan", 200),
        ("cookie", "sessionid=\xff; =; ;;; sessionid", 200),
        ("cookie", "csrftoken=" + "x" * 10_000, 200),
        ("x-csrftoken", "\xff" * 100, 200),
        ("last-event-id", "\xff" * 100, 200),
        ("origin", "null", 200),
        ("host", "evil.example", 400),
        ("host", "\xff", 400),
        ("authorization", "\xff", 401),
        ("authorization", "Bearer " + "x" * 10_000, 401),
    ],
)
async def test_mad_headers(
    door: httpx.AsyncClient, settings: Settings, name: str, value: str, status: int
) -> None:
    """Each is taken as it is meant or refused; none makes an error of the server."""
    settings.ALLOWED_HOSTS = ["testserver"]
    headers = {"content-type": JSON, name: value}
    response = await _post(door, json.dumps(VIEWER).encode(), headers)
    assert response.status_code == status, response.text


@pytest.mark.parametrize(
    ("name", "value", "status"),
    [
        ("content-type", JSON, 415),
        ("authorization", "Bearer x", 401),
        ("content-length", "10", 400),
        ("host", "testserver", 400),
    ],
)
async def test_doubled_headers(send: Send, name: str, value: str, status: int) -> None:
    """Two that may contradict each other are refused, and not one of them chosen."""
    body = json.dumps(VIEWER).encode()
    answered, *_ = await send([body, b""], (name, value), (name, value))
    assert answered == status


@pytest.mark.parametrize(
    "body",
    [
        json.dumps(VIEWER).encode("utf-16"),
        json.dumps(VIEWER).encode("utf-32"),
        gzip.compress(json.dumps(VIEWER).encode(), mtime=0),
        b"\xff" + json.dumps(VIEWER).encode(),
        b"[" * 100_000,
        b'{"query": "{ __typename }", "variables": ' + b'{"a":' * 100_000,
        b"\x00" * 1000,
    ],
    ids=lambda body: ascii(body)[:30],
)
async def test_bodies_in_disguise(door: httpx.AsyncClient, body: bytes) -> None:
    """Only UTF-8 with JSON in it is read, and only if it is not too deep."""
    response = await _post(door, body, {"content-type": JSON})
    assert response.status_code == 400
    assert is_refusal(response.json()["errors"][0], "BAD_INPUT")


@pytest.mark.parametrize("allowed", [[], ["https://other.example"]], ids=str)
@pytest.mark.parametrize("method", ["POST", "OPTIONS", "GET"])
async def test_page_of_another_site(
    door: httpx.AsyncClient, settings: Settings, method: str, allowed: list[str]
) -> None:
    """No page of another site is let in, unless the setting names it."""
    settings.DASF_ALLOWED_ORIGINS = allowed
    headers = {
        "content-type": JSON,
        "accept": JSON,
        "origin": "https://pages.example",
        "access-control-request-method": "POST",
        "access-control-request-headers": "content-type",
    }
    response = await door.request(method, URL, content=json.dumps(VIEWER), headers=headers)
    assert not [name for name in response.headers if name.startswith("access-control-")]


async def test_form_with_a_cookie_is_not_read(door: httpx.AsyncClient, superuser: User) -> None:
    """A form is refused for what it is, before anybody looks into it for a CSRF token."""
    await log_in(door, superuser)
    many = "&".join(f"a{number}=" for number in range(5000))  # more than Django reads
    headers = {"content-type": "application/x-www-form-urlencoded"}
    assert (await _post(door, many.encode(), headers)).status_code == 415


async def _post(door: httpx.AsyncClient, body: bytes, headers: dict[str, str]) -> httpx.Response:
    named = {name.encode(): value.encode("latin-1") for name, value in headers.items()}
    return await door.post(URL, content=body, headers=named)


async def _send(
    served: Any, chunks: list[bytes], *headers: tuple[str, str]
) -> tuple[int, dict[str, str], Any, int]:
    """Send chunks; an empty one ends the body, and without one it never ends."""
    given = {name for name, _ in headers}
    named = {"host": "testserver", "content-type": JSON}
    added = [(name, value) for name, value in named.items() if name not in given]
    scope = {
        "type": "http",
        "method": "POST",
        "path": URL,
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in (*added, *headers)],
    }
    taken, sent = 0, list[dict[str, Any]]()

    async def receive() -> dict[str, Any]:
        nonlocal taken
        if taken == len(chunks):
            await asyncio.Event().wait()
        taken += 1
        chunk = chunks[taken - 1]
        return {"type": "http.request", "body": chunk, "more_body": bool(chunk)}

    async def note(message: dict[str, Any]) -> None:
        sent.append(message)

    await served(scope, receive, note)
    got = {name.decode().lower(): value.decode() for name, value in sent[0]["headers"]}
    body = b"".join(each.get("body", b"") for each in sent[1:])
    is_json = "json" in got.get("content-type", "")
    return sent[0]["status"], got, json.loads(body) if is_json else body, taken
