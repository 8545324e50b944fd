"""``ATOMIC_REQUESTS`` in all databases of a host: the views of the broker do without."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any, NamedTuple

import httpx
import pytest

from tests.acceptance.servers import Server, Site
from tests.hosts.projects import host_project, services_of_backend

_SETTINGS = """
DATABASES["default"]["ATOMIC_REQUESTS"] = True
DATABASES["other"] = {
    "ENGINE": "django.db.backends.sqlite3",
    "NAME": BASE_DIR / "other.sqlite3",
    "ATOMIC_REQUESTS": True,
}
"""

#: The host's own view of GraphQL replaces ``dispatch``, as its own middleware would.
_VIEWS = """
from django.http import HttpResponse

from dasf_broker import publish
from dasf_broker.transports.http.django_view import GraphQLView


class OwnView(GraphQLView):
    def dispatch(self, request, *args, **kwargs):
        request.tenant = "weather"
        return super().dispatch(request, *args, **kwargs)


def measure(request):
    publish("weather", data={"from": request.path})
    if "fail" in request.GET:
        raise RuntimeError("The request is rolled back.")
    return HttpResponse(status=201)
"""

_URLS = """
from django.contrib import admin
from django.urls import include, path

from mysite import views

urlpatterns = [
    path("admin/", admin.site.urls),
    path("own/", views.OwnView.as_view()),
    path("measure/", views.measure),
    path("", include("dasf_broker.urls")),
]
"""

#: All of Django's middleware, in front of GraphQL too.
_MIDDLEWARE = """
from mysite.asgi import broker_application, django_application

application = broker_application(django_application, through_middleware=True)
"""

_FILES = {
    "mysite/views.py": _VIEWS,
    "mysite/urls.py": _URLS,
    "mysite/with_middleware.py": _MIDDLEWARE,
}

_PUBLISH = {"query": 'mutation { publishMessage(input: {topic: "weather", text: "x"}) { status } }'}
_STORED = {"data": {"publishMessage": {"status": "STORED"}}}

#: Requests by name; the status of the answer.
_PAGES = {
    "the page": ("GET", "graphql/", HTTPStatus.OK),
    "options": ("OPTIONS", "graphql/", HTTPStatus.OK),
    "status": ("GET", "weather/status/", HTTPStatus.SERVICE_UNAVAILABLE),
    "ping": ("GET", "weather/ping/", HTTPStatus.FOUND),
    "ping by POST": ("POST", "weather/ping/", HTTPStatus.FOUND),
    "admin": ("GET", "admin/login/", HTTPStatus.OK),
    "own view": ("OPTIONS", "own/", HTTPStatus.OK),
}

_WSGI = """
import io, json, sys
from mysite.wsgi import application

key, requests = json.load(sys.stdin)

def ask(method, path, body):
    environ = {
        "REQUEST_METHOD": method, "PATH_INFO": path, "SERVER_NAME": "localhost",
        "SERVER_PORT": "80", "wsgi.url_scheme": "http", "wsgi.input": io.BytesIO(body.encode()),
        "HTTP_AUTHORIZATION": f"Bearer {key}", "HTTP_ACCEPT": "text/html,application/json",
        "CONTENT_TYPE": "application/json", "CONTENT_LENGTH": str(len(body)),
    }
    status = []
    text = b"".join(application(environ, lambda line, headers: status.append(line)))
    return int(status[0].split()[0]), text.decode()

print(json.dumps([ask(*each) for each in requests]))
"""


class Host(NamedTuple):
    """The project of the host, with the key of its user."""

    site: Site
    key: str

    def ask(self, server: Server, method: str, path: str, **options: Any) -> httpx.Response:
        """Send a request with the key, as a browser would."""
        headers = {"Authorization": f"Bearer {self.key}", "Accept": "text/html,application/json"}
        url = server.graphql.replace("graphql/", path)
        return httpx.request(method, url, headers=headers, **options)

    def count(self, server: Server) -> int:
        """Return how many messages are stored and not acknowledged."""
        query = {"query": '{ topic(slug: "weather") { outstandingCount } }'}
        answer = self.ask(server, "POST", "graphql/", json=query).json()
        count: int = answer["data"]["topic"]["outstandingCount"]
        return count


@pytest.fixture(scope="module")
def host(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Host]:
    """Make the project."""
    folder = tmp_path_factory.mktemp("host")
    with (
        services_of_backend(request.config.getoption("backend")) as running,
        host_project(folder, running, settings=_SETTINGS, files=_FILES) as site,
    ):
        topics = {"weather": {"store_messages": "store"}}
        keys = site.prepare(topics, {"ada": ["can_produce", "can_consume"]})
        yield Host(site, keys["ada"])


@pytest.mark.parametrize("module", ["asgi", "with_middleware"])
def test_asgi(host: Host, module: str) -> None:
    """All views answer, beside Django's middleware and through it."""
    with host.site.server(application=f"mysite.{module}:application") as server:
        for name, (method, path, status) in _PAGES.items():
            answer = host.ask(server, method, path)
            assert answer.status_code == status, (name, answer.text)
        for path in ("graphql/", "own/"):
            assert host.ask(server, "POST", path, json=_PUBLISH).json() == _STORED


def test_wsgi(host: Host) -> None:
    """All views answer under WSGI, too."""
    posts = [("POST", path, json.dumps(_PUBLISH)) for path in ("/graphql/", "/own/")]
    pages = [(method, f"/{path}", "") for method, path, _ in _PAGES.values()]
    answers = json.loads(host.site.run("-c", _WSGI, given=json.dumps([host.key, [*pages, *posts]])))
    for (name, (_, _, status)), (given, text) in zip(_PAGES.items(), answers, strict=False):
        assert given == status, (name, text)
    assert [json.loads(text) for _, text in answers[len(pages) :]] == [_STORED, _STORED]


def test_transactions_of_the_host(host: Host) -> None:
    """What a view of the host publishes is stored with its request, or rolled back with it."""
    with host.site.server() as server:
        before = host.count(server)
        assert host.ask(server, "GET", "measure/").status_code == HTTPStatus.CREATED
        assert host.ask(server, "GET", "measure/?fail").is_server_error
        assert host.count(server) == before + 1
