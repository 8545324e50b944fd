"""A project without sessions, messages, static files and admin: stray cookies say nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.typing import Origin, Subprotocol

from tests.acceptance.servers import Server, Site
from tests.hosts.projects import host_project

_SETTINGS = """
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "guardian", "dasf_broker"]
MIDDLEWARE = ["django.middleware.common.CommonMiddleware"]
TEMPLATES[0]["OPTIONS"] = {}
STATIC_URL = None
"""

_FILES = {
    "mysite/urls.py": """
from django.urls import include, path

urlpatterns = [path("", include("dasf_broker.urls"))]
""",
    "mysite/asgi.py": """
import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mysite.settings")
django_application = get_asgi_application()

from dasf_broker.routing import broker_application

application = broker_application(django_application)
with_middleware = broker_application(django_application, through_middleware=True)
""",
}

_COOKIES = {"Cookie": "sessionid=0123456789abcdefghijklmnopqrstuv; csrftoken=x"}
_VIEWER = {"query": "{ viewer { isAuthenticated } }"}
_STRANGER = {"data": {"viewer": {"isAuthenticated": False}}}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Make the project."""
    folder = tmp_path_factory.mktemp("host")
    with host_project(folder, settings=_SETTINGS, files=_FILES) as made:
        made.run("manage.py", "check", "--fail-level", "WARNING")
        made.prepare({"open": {"is_public": True, "store_messages": "disabled"}}, {})
        yield made


@pytest.fixture(scope="module", params=["application", "with_middleware"])
def server(request: pytest.FixtureRequest, site: Site) -> Iterator[Server]:
    """Serve the project, beside Django's middleware and through it."""
    with site.server(application=f"mysite.asgi:{request.param}") as running:
        yield running


def test_http(server: Server) -> None:
    """Its sender is anonymous, and the page is shown to the developer."""
    answer = httpx.post(server.graphql, json=_VIEWER, headers=_COOKIES)
    assert (answer.status_code, answer.json()) == (HTTPStatus.OK, _STRANGER)
    page = httpx.get(server.graphql, headers={**_COOKIES, "Accept": "text/html"})
    assert page.status_code == HTTPStatus.OK
    assert "graphiql" in page.text
    status = httpx.get(server.graphql.replace("graphql/", "open/status/"), headers=_COOKIES)
    assert status.json()["topic"] == "open"


def test_events(server: Server) -> None:
    """A stream of events, where the server sends them."""
    headers = {**_COOKIES, "Accept": "text/event-stream"}
    answer = httpx.post(server.graphql, json=_VIEWER, headers=headers)
    assert answer.status_code in (HTTPStatus.OK, HTTPStatus.NOT_ACCEPTABLE)
    if answer.status_code == HTTPStatus.OK:
        assert json.dumps(_STRANGER, separators=(",", ":")) in answer.text


async def test_websocket(server: Server) -> None:
    """A socket of a page of this site, for which the cookie would count."""
    protocol = Subprotocol("graphql-transport-ws")
    async with _socket(server, "graphql/", subprotocols=[protocol]) as socket:
        await socket.send(json.dumps({"type": "connection_init"}))
        assert json.loads(await socket.recv())["type"] == "connection_ack"
        await socket.send(json.dumps({"type": "subscribe", "id": "1", "payload": _VIEWER}))
        assert json.loads(await socket.recv())["payload"] == _STRANGER


async def test_dasf(server: Server) -> None:
    """A producer on a public topic."""
    message = {"properties": {"messageType": "request"}, "payload": "aGVsbG8=", "context": "1"}
    async with _socket(server, "ws/open") as socket:
        await socket.send(json.dumps(message))
        assert json.loads(await socket.recv())["result"] == "ok"


def _socket(server: Server, path: str, **options: Any) -> connect:
    url = server.graphql_websocket.replace("graphql/", path)
    origin = Origin(f"http://127.0.0.1:{server.port}")
    return connect(url, origin=origin, additional_headers=_COOKIES, **options)
