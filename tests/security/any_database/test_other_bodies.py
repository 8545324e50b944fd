"""Bodies of requests that nobody reads: other methods, and the other paths of the broker."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from pytest_django import Settings

from dasf_broker import database
from dasf_broker.models import BrokerTopic
from dasf_broker.routing import broker_application
from testproject.asgi import django_application

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("django_thread", "hub_lifetime"),
]

#: Every path of ``dasf_broker.urls``.
PATHS = ["/graphql/", "/topic/ping/", "/topic/status/", "/no-such-topic/ping/"]
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"]

#: How a body is announced; HTTP/2 needs no header for it.
ANNOUNCED = {
    "length": ("1.1", [("content-length", "900")]),
    "chunks": ("1.1", [("transfer-encoding", "chunked")]),
    "http/2": ("2", []),
}


class Request:
    """A request over ASGI whose body comes in chunks."""

    def __init__(
        self,
        method: str,
        path: str,
        chunks: list[bytes],
        *headers: tuple[str, str],
        version: str = "1.1",
    ) -> None:
        named = [("host", "testserver"), ("content-type", "application/json"), *headers]
        self._scope: dict[str, Any] = {
            "type": "http",
            "http_version": version,
            "method": method,
            "path": path,
            "query_string": b"",
            "headers": [(name.encode(), value.encode()) for name, value in named],
        }
        self._chunks = iter(chunks)
        self.taken = 0
        self.sent: list[dict[str, Any]] = []

    async def send(self, *, through_middleware: bool) -> int:
        """Send it, and return the status of the answer."""
        application = broker_application(django_application, through_middleware=through_middleware)
        await application(self._scope, self._receive, self._note)
        return int(self.sent[0]["status"])

    @property
    def headers(self) -> dict[str, str]:
        """The headers of the answer."""
        return {name.decode().lower(): value.decode() for name, value in self.sent[0]["headers"]}

    @property
    def body(self) -> bytes:
        """The body of the answer."""
        return b"".join(each.get("body", b"") for each in self.sent[1:])

    async def _receive(self) -> dict[str, Any]:
        chunk = next(self._chunks, None)
        if chunk is None:
            await asyncio.Event().wait()
        self.taken += 1
        return {"type": "http.request", "body": chunk, "more_body": bool(chunk)}

    async def _note(self, message: dict[str, Any]) -> None:
        self.sent.append(message)


@pytest.fixture(params=[False, True], ids=["beside Django", "through middleware"])
def through_middleware(request: pytest.FixtureRequest) -> bool:
    """Return which of the ways of `broker_application` is taken."""
    return bool(request.param)


@pytest.mark.parametrize("announced", ANNOUNCED)
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", METHODS)
async def test_large_body_is_not_read(
    topic: BrokerTopic,
    settings: Settings,
    through_middleware: bool,
    method: str,
    path: str,
    announced: str,
) -> None:
    """Whatever the method and the path: with the first chunk over the limit it is refused."""
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
    version, headers = ANNOUNCED[announced]
    request = Request(method, path, [b"x" * 400] * 100, *headers, version=version)
    assert await request.send(through_middleware=through_middleware) == 413
    assert request.taken == 3
    assert b"PAYLOAD_TOO_LARGE" in request.body
    assert request.headers.get("connection") == (None if version == "2" else "close")


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["PUT", "GET", "POST"])
async def test_body_that_does_not_end(
    topic: BrokerTopic, settings: Settings, through_middleware: bool, method: str, path: str
) -> None:
    """It is answered after a while, and the connection ends."""
    settings.DASF_BODY_TIMEOUT = 0.05
    request = Request(method, path, [b"{"], ("content-length", "900"))
    assert await request.send(through_middleware=through_middleware) == 408
    assert request.headers["connection"] == "close"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("PUT", "/graphql/", 405),
        ("DELETE", "/graphql/", 405),
        ("OPTIONS", "/graphql/", 200),
        ("PUT", "/topic/ping/", 405),
        ("POST", "/topic/ping/", 302),
        ("GET", "/topic/ping/", 302),
        ("PATCH", "/topic/status/", 403),  # by the CSRF check of Django,
    ],
)
async def test_small_bodies_reach_django(
    topic: BrokerTopic, through_middleware: bool, method: str, path: str, status: int
) -> None:
    """It answers as it does without one."""
    await database.write(BrokerTopic.objects.update, is_public=True)
    for chunks in ([b"{}", b""], [b""]):
        length = str(sum(map(len, chunks)))
        request = Request(method, path, chunks, ("content-length", length))
        assert await request.send(through_middleware=through_middleware) == status


async def test_redirect_to_https_reads_no_more(
    settings: Settings, through_middleware: bool
) -> None:
    """A request that is only redirected is no way around the limits."""
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
    settings.SECURE_SSL_REDIRECT = True
    request = Request("POST", "/graphql/", [b"x" * 400] * 100)
    assert await request.send(through_middleware=through_middleware) == 413
    assert request.taken == 3


@pytest.mark.parametrize("prefix", ["", "/below/here"])
async def test_below_a_script_name(settings: Settings, prefix: str) -> None:
    """The paths are the broker's where the server is mounted below another path, too."""
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
    settings.FORCE_SCRIPT_NAME = prefix or None
    for path in PATHS:
        request = Request("PUT", prefix + path, [b"x" * 400] * 100)
        request._scope["headers"].append((b"transfer-encoding", b"chunked"))
        assert await request.send(through_middleware=False) == 413


@pytest.mark.parametrize("path", ["/", "/admin/login/", "/graphql", "/x/pingg/", "/a/b/ping/"])
async def test_paths_of_the_host_are_its_own(settings: Settings, path: str) -> None:
    """The broker neither reads nor refuses what is sent there."""
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
    request = Request("PUT", path, [b"x" * 400] * 5 + [b""], ("content-length", "2000"))
    await request.send(through_middleware=False)
    assert request.taken == 6
    assert b"PAYLOAD_TOO_LARGE" not in request.body


async def test_requests_without_a_body_are_not_read(topic: BrokerTopic) -> None:
    """As most are: nothing is taken before Django takes it."""
    request = Request("GET", "/graphql/", [b""])
    request._scope["headers"].append((b"accept", b"application/json"))
    assert await request.send(through_middleware=False) == 405
    assert json.loads(request.body)["errors"]
