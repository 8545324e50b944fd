"""What the tests of clients share: a running server, and JavaScript with its packages."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.acceptance.servers import Server, Site, site
from tests.clients.node import HERE, Node, installed

#: Rules and rights of the topics that every module of tests finds.
TOPICS: dict[str, dict[str, Any]] = {
    "topic": {"supports_dasf": True},
    "other": {"store_messages": "store"},
}
PEOPLE = {
    "reader": ["can_consume"],
    "producer": ["can_produce"],
    "worker": ["can_consume", "can_produce", "change_brokertopic"],
}

_PUBLISH = """
import json, sys
import django
django.setup()
from django.contrib.auth import get_user_model
from dasf_broker.domain.envelope import Envelope
from dasf_broker.operations.caller import Caller
from dasf_broker.operations.publications import Publication
from dasf_broker.operations.publish import publish
slug, texts = json.load(sys.stdin)
caller = Caller.of(get_user_model().objects.get(username="producer"))
for text in texts:
    publish(Publication(caller, slug, Envelope.compose(max_size=10_000, text=text)))
"""

_NEW_KEY = """
import sys
import django
django.setup()
from django.contrib.auth import get_user_model
from dasf_broker.auth import create_token
print(create_token(get_user_model().objects.get(username=sys.stdin.read()))[1], end="")
"""

_REVOKE = """
import sys
import django
django.setup()
from dasf_broker.models import ApiToken
ApiToken.objects.filter(user__username=sys.stdin.read()).delete()
"""


class Deployment:
    """A site with a server, and the keys of people."""

    def __init__(self, site: Site, server: Server, keys: dict[str, str]) -> None:
        self.site = site
        self.server = server
        self.keys = keys

    def given(self, who: str = "worker") -> dict[str, str]:
        """Return what a client must know."""
        return {
            "http": self.server.graphql,
            "websocket": self.server.graphql_websocket,
            "key": self.keys[who],
        }

    def new_key(self, who: str) -> str:
        """Return the key of one more token."""
        return self.site.run("-c", _NEW_KEY, given=who)

    def revoke_keys(self, who: str) -> None:
        """Take all tokens away from somebody."""
        self.site.run("-c", _REVOKE, given=who)

    def publish(self, topic: str, *texts: str) -> None:
        """Publish texts, whether a server runs or not."""
        self.site.run("-c", _PUBLISH, given=json.dumps([topic, texts]))


@pytest.fixture(scope="session")
def node(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Node:
    """Return Node.js with the clients that people use."""
    return Node(tmp_path_factory.mktemp("node"), installed(HERE, pytestconfig))


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """Run a server on the backend of this run, one for each module of tests."""
    with site(tmp_path_factory.mktemp("site")) as made:
        keys = made.prepare(TOPICS, PEOPLE)
        with made.server() as server:
            yield Deployment(made, server, keys)
