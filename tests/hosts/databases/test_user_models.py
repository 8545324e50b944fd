"""A user model with UUIDs as keys, which a row has before it is saved, and logins by email."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import httpx
import pytest
from websockets.asyncio.client import connect

from tests.acceptance.clients import Http, RefusedError, graphql_socket, http_client
from tests.acceptance.servers import Server, Site
from tests.hosts.projects import host_project, services_of_backend

_SETTINGS = """
INSTALLED_APPS += ["people"]
AUTH_USER_MODEL = "people.Person"
"""

#: It has neither `username` nor a column `is_active`.
_MODELS = """
import uuid

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.db import models


class People(BaseUserManager):
    def create_user(self, email, password=None, **fields):
        person = self.model(email=self.normalize_email(email), **fields)
        person.set_password(password)
        person.save()
        return person

    def create_superuser(self, email, password=None, **fields):
        return self.create_user(email, password, is_superuser=True, **fields)


class Person(AbstractBaseUser, PermissionsMixin):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    email = models.EmailField(unique=True)
    is_staff = models.BooleanField(default=True)

    USERNAME_FIELD = "email"
    objects = People()
"""

_FILES = {
    "people/__init__.py": "",
    "people/migrations/__init__.py": "",
    "people/models.py": _MODELS,
}

#: One process for all commands, because each takes a second to start.
_COMMANDS = """
import io, json
import django
django.setup()
from django.core.management import call_command

def run(*command):
    out = io.StringIO()
    call_command(*command, stdout=out)
    return out.getvalue().strip()
"""

_MAKE = (
    _COMMANDS
    + """
run("makemigrations", "people")
assert "admin" in run("quickstart", "--no-serve")
run("dasf_topic", "weather", "--create", "--store-messages", "store")
people = ["--consumer", "ada@example.org", "--producer", "bob@example.org", "--create-users"]
shown = json.loads(run("dasf_topic", "weather", *people, "--json"))
assert shown["consumers"] == ["ada@example.org"]
assert shown["producers"] == ["bob@example.org"]
names = ["ada@example.org", "bob@example.org", "admin"]
print(json.dumps({name: run("dasf_token", name) for name in names}))
"""
)

_USE = (
    _COMMANDS
    + """
for user in ([], ["--user", "bob@example.org"]):
    assert run("dasf_publish", "weather", "--text", "x", *user).startswith("STORED ")
options = ["--user", "ada@example.org", "--count", "2", "--ack"]
assert len(run("dasf_listen", "weather", *options).splitlines()) == 2
assert "echo" in run("dasf_ping", "echo", "--wait", "0")
assert "pinged" in run("dasf_housekeeping")
run("check", "--fail-level", "WARNING")
"""
)

_UNSAVED = """
import django
django.setup()
from django.contrib.auth import get_user_model
from dasf_broker import publish
try:
    publish("weather", text="x", user=get_user_model()(email="new@example.org"))
except ValueError as error:
    print(error)
"""

_ADMIN = """
import re
import django
django.setup()
from django.contrib.auth import get_user_model
from django.test import Client
root = get_user_model().objects.get(email="admin")
browser = Client()
browser.force_login(root, "django.contrib.auth.backends.ModelBackend")
for model in ("brokertopic", "brokermessage", "responsetopic", "apitoken"):
    assert browser.get(f"/admin/dasf_broker/{model}/").status_code == 200, model
assert browser.get("/graphql/", headers={"accept": "text/html"}).status_code == 200
page = browser.post("/admin/dasf_broker/apitoken/add/", {"user": str(root.pk), "label": "x"})
print(re.search("dasf_[0-9a-f]{8}_[-_a-zA-Z0-9]+", page.content.decode())[0])
"""

ADA, BOB = "ada@example.org", "bob@example.org"

_PUBLISH = """mutation { publishMessage(input: {topic: "weather", text: "6 °C"}) {
  status message { id messageId user { username } topic { consumers { username } } } } }"""
_RECEIVE = 'subscription { messages(topic: "weather") { messageId user { username } } }'
_ACKNOWLEDGE = """mutation ($id: UUID!) { acknowledgeMessage(topic: "weather", messageId: $id) {
  status } }"""
_REVOKE = """mutation { revokePermission(topic: "weather", permission: CAN_CONSUME,
  username: "ada@example.org") { topic { consumers { username } } } }"""
_OWN = """query ($id: UUID!) { message(topic: "weather", messageId: $id) {
  deliveredTo { username } acknowledged } }"""


class Host(NamedTuple):
    """The project, with the keys of its users."""

    site: Site
    keys: dict[str, str]


@pytest.fixture(scope="module")
def host(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Host]:
    """Make the project by the commands of the README."""
    folder = tmp_path_factory.mktemp("host")
    with (
        services_of_backend(request.config.getoption("backend")) as running,
        host_project(folder, running, settings=_SETTINGS, files=_FILES, migrate=False) as site,
    ):
        yield Host(site, json.loads(site.run("-c", _MAKE)))


@pytest.fixture(scope="module")
def server(host: Host) -> Iterator[Server]:
    """Serve the project."""
    with host.site.server() as running:
        yield running


def test_commands(host: Host) -> None:
    """Each of them, as the first superuser or as a named user."""
    host.site.run("-c", _USE)


def test_unsaved_user(host: Host) -> None:
    """A key does not make a row: the user is refused with a sentence."""
    assert "save it first" in host.site.run("-c", _UNSAVED)


def test_admin(host: Host, server: Server) -> None:
    """Its pages, and a new token, which is valid."""
    key = host.site.run("-c", _ADMIN).strip()
    assert _post(server, key, "{ viewer { username isSuperuser } }") == {
        "viewer": {"username": "admin", "isSuperuser": True}
    }


async def test_life_of_a_message(host: Host, server: Server) -> None:
    """It is published, received, acknowledged, and read by its producer; then a right is taken."""
    async with (
        graphql_socket(server, host.keys[ADA]) as socket,
        http_client(server, host.keys["admin"]) as root,
        http_client(server, host.keys[BOB]) as bob,
    ):
        stream = socket.subscribe(_RECEIVE)
        done = await _publish(bob)
        assert done["message"]["user"] == {"username": BOB}
        while (received := await anext(stream))["messageId"] != done["message"]["messageId"]:
            pass
        assert received["user"] == {"username": BOB}
        acknowledged = await socket.execute(_ACKNOWLEDGE, id=received["messageId"])
        assert acknowledged == {"status": "ACKNOWLEDGED"}
        own = await bob.execute(_OWN, id=received["messageId"])
        assert own == {"deliveredTo": [], "acknowledged": False}
        seen = await root.execute(_OWN, id=received["messageId"])
        assert seen["deliveredTo"] == [{"username": ADA}]
        assert await root.execute(_REVOKE) == {"topic": {"consumers": []}}
        with pytest.raises(RefusedError, match="FORBIDDEN"):
            await asyncio.wait_for(anext(stream), 10)


async def test_dasf(host: Host, server: Server) -> None:
    """A producer and a consumer by the DASF protocol."""
    request = {"properties": {"messageType": "request"}, "payload": "aGVsbG8=", "context": "1"}
    url = server.graphql_websocket.replace("graphql/", "ws/echo")
    headers = {"Authorization": f"Bearer {host.keys['admin']}"}
    async with (
        connect(f"{url}/module", additional_headers=headers) as consumer,
        connect(url, additional_headers=headers) as producer,
    ):
        await producer.send(json.dumps(request))
        assert json.loads(await producer.recv())["result"] == "ok"
        received = json.loads(await consumer.recv())
        assert received["payload"] == request["payload"]
        await consumer.send(json.dumps({"acknowledge": received["messageId"]}))


async def _publish(client: Http) -> Any:
    done = await client.execute(_PUBLISH)
    assert done["status"] == "STORED"
    return done


def _post(server: Server, key: str, query: str) -> Any:
    headers = {"Authorization": f"Bearer {key}"}
    return httpx.post(server.graphql, json={"query": query}, headers=headers).json()["data"]
