"""A host whose routers write to one database, read from another one, and keep a third for itself.

The replica lags behind for ever: it does not even have the tables yet.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.acceptance.servers import Site
from tests.hosts.projects import host_project, services_of_backend

SETTINGS = """
SQLITE = {"ENGINE": "django.db.backends.sqlite3"}
DATABASES = {
    "default": SQLITE | {"NAME": BASE_DIR / "other.sqlite3"},
    "archive": DATABASES["default"],
    "replica": SQLITE | {"NAME": BASE_DIR / "replica.sqlite3"},
}
DATABASE_ROUTERS = ["mysite.routers.Router"]
"""
ROUTER = """
class Router:
    def db_for_read(self, model, **hints):
        return "replica"

    def db_for_write(self, model, **hints):
        return "archive"

    def allow_migrate(self, db, app_label, model_name=None, **hints):
        return False if db == "default" and model_name else None
"""

#: What the scripts begin with.
_SETUP = """
import asyncio, json
import django
django.setup()
from django.db import connections, transaction
import dasf_broker
"""

PUBLISH = """mutation ($input: PublishMessageInput!) {
  publishMessage(input: $input) { status responseTopic }
}"""
ACKNOWLEDGE = """mutation ($id: UUID!) {
  acknowledgeMessage(topic: "weather", messageId: $id) { status removed }
}"""
READ = '{ topic(slug: "weather") { outstandingCount permissions { canConsume } } }'
MESSAGE_ID = "6f1c1f39-4d3e-4a80-9a4e-0c1a5d6ea8f1"


@pytest.fixture(scope="module")
def site(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """Make the project, and migrate its databases one after the other."""
    folder: Path = tmp_path_factory.mktemp("host")
    files = {"mysite/routers.py": ROUTER}
    with (
        services_of_backend(request.config.getoption("backend")) as services,
        host_project(folder, services, settings=SETTINGS, files=files, migrate=False) as made,
    ):
        for alias in ("archive", "default"):
            made.run("manage.py", "migrate", "--verbosity", "0", "--database", alias)
        yield made


def run(site: Site, script: str) -> Any:
    """Run a script of the host; return what it printed as JSON."""
    return json.loads(site.run("-c", _SETUP + script))


def test_tables_are_where_the_router_says(site: Site) -> None:
    """Each database is migrated by itself; one that may not have our tables gets none."""
    tables = run(
        site,
        "found = {a: connections[a].introspection.table_names() for a in connections}\n"
        "print(json.dumps({a: 'dasf_broker_brokertopic' in found[a] for a in found}))",
    )
    assert tables == {"default": False, "archive": True, "replica": False}


def test_the_project_has_no_mistake(site: Site) -> None:
    """Nothing is reported of databases that are none of ours."""
    said = site.run("manage.py", "check", "--database", "default", "--database", "replica")
    assert "no issues" in said


def test_what_was_written_is_read(site: Site) -> None:
    """Topics, response topics, rights, tokens and messages that are new."""
    keys = site.prepare({"weather": {}}, {"ada": ["can_produce", "can_consume"]})
    request = {"topic": "weather", "data": 1, "messageId": MESSAGE_ID, "responseTopic": "weather-1"}
    answer = {"topic": "weather-1", "data": 2, "messageType": "RESPONSE"}
    with site.server() as server, httpx.Client() as client:
        client.headers["Authorization"] = f"Bearer {keys['ada']}"

        def ask(query: str, **variables: Any) -> Any:
            given = {"query": query, "variables": variables}
            said = client.post(server.graphql, json=given).json()
            assert "errors" not in said, said
            return said["data"]

        published = [
            ask(PUBLISH, input=each)["publishMessage"] for each in (request, request, answer)
        ]
        outstanding = ask(READ)
        acknowledged = ask(ACKNOWLEDGE, id=MESSAGE_ID)
        settled = ask(READ)
    assert [each["status"] for each in published] == ["STORED", "DUPLICATE", "STORED"]
    topic = {"outstandingCount": 1, "permissions": {"canConsume": True}}
    assert outstanding == {"topic": topic}
    assert acknowledged["acknowledgeMessage"] == {"status": "ACKNOWLEDGED", "removed": True}
    assert settled == {"topic": topic | {"outstandingCount": 0}}


def test_commands(site: Site) -> None:
    """They find the users and topics that an earlier one has created."""
    create = ("manage.py", "dasf_topic", "news", "--create", "--create-users", "--producer", "bob")
    site.run(*create)
    assert site.run("manage.py", "dasf_token", "bob").startswith("dasf_")
    said = site.run("manage.py", "dasf_publish", "news", "--user", "bob", "--text", "Hello")
    assert "STORED" in said


def test_a_rollback_takes_everything_back(site: Site) -> None:
    """A message published in a transaction of the host is neither stored nor announced before."""
    seen = run(
        site,
        """
from dasf_broker.models import BrokerMessage
from dasf_broker.signals import message_published
heard = []
message_published.connect(lambda message, **_: heard.append(message.data), weak=False)
dasf_broker.create_topic("ledger")
dasf_broker.create_topic("ledger", exist_ok=True)

def publish(number, undo):
    with transaction.atomic(using="archive"):
        dasf_broker.publish("ledger", data=number)
        told = [*heard]
        transaction.set_rollback(undo, using="archive")
    return told

early = [publish(1, True), publish(2, False)]
rows = BrokerMessage.objects.filter(topic__slug="ledger").count()
print(json.dumps([early, heard, rows]))
""",
    )
    assert seen == [[[], []], [2], 1]


def test_a_batch_is_one_transaction(site: Site) -> None:
    """What fails behind the insert takes the rows back."""
    seen = run(
        site,
        """
from unittest import mock
from dasf_broker.models import BrokerMessage
from dasf_broker.operations import publish
dasf_broker.create_topic("atoms")
with mock.patch.object(publish, "_link_requests", side_effect=ZeroDivisionError):
    try:
        dasf_broker.publish("atoms", data=1)
    except ZeroDivisionError:
        print(BrokerMessage.objects.filter(topic__slug="atoms").count())
""",
    )
    assert seen == 0


def test_the_python_api(site: Site) -> None:
    """Functions and methods of models decide by the users and rights of this moment."""
    seen = run(
        site,
        """
from django.contrib.auth import get_user_model
from dasf_broker.models import BrokerMessage
from dasf_broker.permissions import Right, grant
dave = get_user_model().objects.create_user("dave")
topic = dasf_broker.create_topic("rights", store_messages="store")
grant(dave, topic, Right.CONSUME)
sent = dasf_broker.publish("rights", data=1).message
done = dasf_broker.acknowledge("rights", sent.message_id, user=dave)
print(json.dumps([done.status, BrokerMessage.objects.get(topic=topic).delivered_to_all]))
""",
    )
    assert seen == ["ACKNOWLEDGED", True]


def test_a_new_login_is_known(site: Site) -> None:
    """Sessions and their users are read where they are written, by whatever code."""
    name = run(
        site,
        """
from django.contrib.auth import get_user_model
from django.contrib.sessions.backends.db import SessionStore
from dasf_broker import database, primary
from dasf_broker.auth.sessions import session_user
user = get_user_model().objects.create_user("carol")
session = SessionStore()
session.update({
    "_auth_user_id": str(user.pk),
    "_auth_user_backend": "django.contrib.auth.backends.ModelBackend",
    "_auth_user_hash": user.get_session_auth_hash(),
})
with primary.reads():
    session.create()
found = asyncio.run(database.read_first(session_user, session.session_key))
print(json.dumps(found.get_username()))
""",
    )
    assert name == "carol"
