"""A host with a user model of its own, in which guardian can make no anonymous user."""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx
import pytest
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from tests.acceptance.servers import Server, Site
from tests.hosts.projects import host_project

_SETTINGS = """
INSTALLED_APPS += ["people"]
AUTH_USER_MODEL = "people.Person"
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "people.backends.LoggedPermissionBackend",
]
SILENCED_SYSTEM_CHECKS = ["guardian.W001"]  # which takes a subclass for nothing
"""

_MODELS = """
from django.contrib.auth.models import AbstractUser, UserManager
from django.db import models


class Company(models.Model):
    name = models.CharField(max_length=50)


class PersonManager(UserManager):
    def create_user(self, username, **fields):
        company, _ = Company.objects.get_or_create(name="ours")
        return super().create_user(username, company=company, **fields)


class Person(AbstractUser):
    company = models.ForeignKey(Company, on_delete=models.PROTECT)

    objects = PersonManager()
"""

_BACKENDS = """
from guardian.backends import ObjectPermissionBackend


class LoggedPermissionBackend(ObjectPermissionBackend):
    pass
"""

_FILES = {
    "people/__init__.py": "",
    "people/models.py": _MODELS,
    "people/backends.py": _BACKENDS,
    "people/migrations/__init__.py": "",
}

PUBLISH = """mutation { publishMessage(input: {topic: "open", text: "x"}) {
  status message { user { username } } } }"""
PUBLISHED = {"publishMessage": {"status": "STORED", "message": {"user": None}}}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Make the project."""
    folder = tmp_path_factory.mktemp("host")
    with host_project(folder, settings=_SETTINGS, files=_FILES, migrate=False) as made:
        made.run("manage.py", "makemigrations", "--verbosity=0", "people")
        made.run("manage.py", "migrate", "--verbosity=0")
        yield made


@pytest.fixture(scope="module")
def keys(site: Site) -> dict[str, str]:
    """Make a public topic and a consumer; return the key of the consumer."""
    return site.prepare({"open": {"is_public": True}}, {"ada": ["can_consume"]})


@pytest.fixture(scope="module")
def server(site: Site, keys: dict[str, str]) -> Iterator[Server]:
    """Serve the project."""
    with site.server() as running:
        yield running


def test_checks(site: Site) -> None:
    """The broker finds no fault in classes that are the host's own."""
    assert "dasf_broker.E" not in site.run("manage.py", "check", "--database=default")


def test_there_is_no_anonymous_user(site: Site) -> None:
    """Guardian gave up: the model wants a company."""
    counted = site.run(
        "manage.py",
        "shell",
        "--verbosity=0",
        "--command=from people.models import Person; print(Person.objects.filter("
        "username='AnonymousUser').count())",
    )
    assert counted.strip() == "0"


def test_over_http(server: Server) -> None:
    """An anonymous caller publishes to a public topic, and sees no other one."""
    answer = httpx.post(server.graphql, json={"query": PUBLISH}).json()
    assert answer == {"data": PUBLISHED}
    document = "{ topics { edges { node { slug } } } viewer { isAuthenticated } }"
    assert httpx.post(server.graphql, json={"query": document}).json()["data"] == {
        "topics": {"edges": [{"node": {"slug": "open"}}]},
        "viewer": {"isAuthenticated": False},
    }
    page = httpx.get(f"http://127.0.0.1:{server.port}/open/status/")
    assert page.json()["topic"] == "open"


def test_over_websockets(server: Server) -> None:
    """So it does there, and over the DASF protocol."""
    protocols = [Subprotocol("graphql-transport-ws")]
    with connect(server.graphql_websocket, subprotocols=protocols) as socket:
        socket.send('{"type": "connection_init"}')
        assert json.loads(socket.recv())["type"] == "connection_ack"
        socket.send(json.dumps({"type": "subscribe", "id": "1", "payload": {"query": PUBLISH}}))
        assert json.loads(socket.recv())["payload"]["data"] == PUBLISHED
    with connect(f"ws://127.0.0.1:{server.port}/ws/open") as socket:
        socket.send('{"properties": {}, "payload": ""}')
        assert json.loads(socket.recv())["result"] == "ok"


def test_users_are_as_everywhere(server: Server, keys: dict[str, str]) -> None:
    """A consumer reads what was published by nobody."""
    document = '{ messages(topic: "open") { edges { node { user { username } } } } }'
    answer = httpx.post(
        server.graphql,
        json={"query": document},
        headers={"Authorization": f"Bearer {keys['ada']}"},
    ).json()
    assert {"node": {"user": None}} in answer["data"]["messages"]["edges"]
