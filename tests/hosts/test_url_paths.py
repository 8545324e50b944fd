"""The websocket, and GraphQL beside Django, are wherever a host's URLs have the page."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from typing import Any, NamedTuple

import httpx
import pytest
from websockets.exceptions import InvalidHandshake
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from tests.acceptance.servers import Server
from tests.hosts.projects import host_project

URLS = """
from django.conf.urls.i18n import i18n_patterns
from django.contrib.auth.decorators import login_required
from django.contrib import admin
from django.urls import include, path, re_path
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _
from django.views.decorators.csrf import csrf_exempt

from dasf_broker.transports.http.django_view import GraphQLView

urlpatterns = [
    path("admin/", admin.site.urls),
    path("a/deeper/prefix/", include("dasf_broker.urls", namespace="second")),
    path("sites/<slug:site>/", include("dasf_broker.urls", namespace="third")),
    re_path("^patterns/[0-9]+/", include("dasf_broker.urls", namespace="fourth")),
    path("alone/", GraphQLView.as_view()),
    path("members/", csrf_exempt(login_required(GraphQLView.as_view()))),
]
urlpatterns += i18n_patterns(
    path("broker/", include("dasf_broker.urls")),
    path(format_lazy("{}/", _("Home")), include("dasf_broker.urls", namespace="fifth")),
    prefix_default_language=False,
)
"""

SETTINGS = """
MIDDLEWARE.insert(2, "django.middleware.locale.LocaleMiddleware")
LANGUAGE_CODE = "en"
FORCE_SCRIPT_NAME = os.environ.get("HOST_SCRIPT_NAME") or None
"""

PATHS = [
    "broker/graphql/",
    "de/broker/graphql/",
    "pt-br/broker/graphql/",
    "Home/graphql/",
    "de/Start/graphql/",
    "a/deeper/prefix/graphql/",
    "sites/museum/graphql/",
    "patterns/17/graphql/",
    "alone/",
]
ELSEWHERE = [
    "graphql/",
    "de/Home/graphql/",
    "xx/broker/graphql/",
    "en/broker/graphql/",
    "sites/graphql/",
    "alone/more/",
]


class Prefix(NamedTuple):
    """How the site hangs below a path."""

    #: The option of its server, or the variable for its setting.
    option: str = ""
    variable: str = ""
    #: The path as the server gets it, and as clients see it.
    path: str = "/"
    outside: str = "/"


PREFIXES = {
    "none": Prefix(),
    "setting": Prefix(variable="/below", path="/below/", outside="/below/"),
    "setting, removed by a proxy": Prefix(variable="/below", outside="/below/"),
    # uvicorn itself puts it before the paths.
    "option": Prefix(option="/below", outside="/below/"),
}


class Running(NamedTuple):
    """A server, where it has the site, and the key of its user."""

    server: Server
    prefix: Prefix
    key: str

    def at(self, path: str, scheme: str = "http") -> str:
        """Return an address of the site."""
        return f"{scheme}://127.0.0.1:{self.server.port}{self.prefix.path}{path}"


@pytest.fixture(scope="module", params=PREFIXES)
def running(request: pytest.FixtureRequest, start: Callable[[Prefix], Running]) -> Running:
    """Return a running site for each prefix in turn."""
    return start(PREFIXES[request.param])


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Prefix], Running]]:
    """Return a function that serves a site with the broker in many places."""
    folder, files = tmp_path_factory.mktemp("site"), {"mysite/urls.py": URLS}
    with host_project(folder, settings=SETTINGS, files=files) as made, ExitStack() as stack:
        key = made.prepare({"weather": {}}, {"ada": ["can_produce"]})["ada"]

        @cache
        def serve(option: str, variable: str) -> Server:
            server = made.server("--root-path", option, HOST_SCRIPT_NAME=variable)
            return stack.enter_context(server)

        yield lambda prefix: Running(serve(prefix.option, prefix.variable), prefix, key)


@pytest.mark.parametrize("path", PATHS)
def test_where_the_page_is(running: Running, path: str) -> None:
    """There are the websocket, and GraphQL beside Django, which alone answers with events."""
    assert httpx.get(running.at(path), headers={"Accept": "text/html"}).status_code == 200
    answer = httpx.post(
        running.at(path),
        json={"query": "{ viewer { isAuthenticated } }"},
        headers={"Accept": "text/event-stream"},
    )
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert _ask(running, path, "{ viewer { isAuthenticated } }") == {
        "viewer": {"isAuthenticated": True}
    }


@pytest.mark.parametrize("path", ELSEWHERE)
def test_where_it_is_not(running: Running, path: str) -> None:
    """There is no websocket either."""
    page = httpx.get(running.at(path), headers={"Accept": "text/html"}, follow_redirects=True)
    assert page.status_code == 404
    with pytest.raises(InvalidHandshake):
        _ask(running, path, "{ viewer { isAuthenticated } }")


def test_decorated_view(running: Running) -> None:
    """It is left to Django, and to its decorators."""
    answer = httpx.post(running.at("members/"), json={"query": "{ viewer { isAuthenticated } }"})
    assert answer.status_code == 302
    with pytest.raises(InvalidHandshake):
        _ask(running, "members/", "{ viewer { isAuthenticated } }")


def test_page_of_a_topic(running: Running) -> None:
    """A ping leads to the status at the place where the ping was."""
    for path in ("broker/", "de/broker/", "a/deeper/prefix/"):
        address = running.at(f"{path}weather/ping/")
        answer = httpx.get(address, headers={"Authorization": f"Token {running.key}"})
        assert answer.headers["location"] == f"{running.prefix.outside}{path}weather/status/"


def test_websocket_url_of_a_topic(running: Running) -> None:
    """By HTTP and by websocket it is where the socket is, as clients see it."""
    query = '{ topic(slug: "weather") { websocketUrl } }'
    headers = {"Authorization": f"Token {running.key}"}
    by_http = httpx.post(
        running.at("broker/graphql/"), json={"query": query}, headers=headers
    ).json()["data"]
    assert by_http == _ask(running, "broker/graphql/", query)
    host = f"ws://127.0.0.1:{running.server.port}"
    assert by_http == {"topic": {"websocketUrl": f"{host}{running.prefix.outside}ws/weather"}}
    with connect(running.at("ws/weather", "ws"), additional_headers=headers) as socket:
        socket.send(json.dumps({"properties": {}, "payload": ""}))
        assert json.loads(socket.recv(20))["result"] == "ok"


def _ask(running: Running, path: str, query: str) -> Any:
    address = running.at(path, "ws")
    with connect(address, subprotocols=[Subprotocol("graphql-transport-ws")]) as socket:
        payload = {"Authorization": f"Token {running.key}"}
        socket.send(json.dumps({"type": "connection_init", "payload": payload}))
        assert json.loads(socket.recv(20)) == {"type": "connection_ack"}
        socket.send(json.dumps({"type": "subscribe", "id": "1", "payload": {"query": query}}))
        return json.loads(socket.recv(20))["payload"]["data"]
