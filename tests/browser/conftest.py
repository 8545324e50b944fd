"""What the tests of the page share: a server, a browser, and the page in it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest
from playwright.sync_api import Browser

from tests.acceptance.servers import Server, Site, site
from tests.browser import chromium
from tests.browser.console import Console
from tests.docs.conftest import readme, tutorial

__all__ = ["readme", "tutorial"]

TOPICS = {"topic": {"supports_dasf": True}}
PEOPLE = {"worker": ["can_consume", "can_produce"], "stranger": []}

PUBLISH = """mutation ($text: String!) {
  publishMessage(input: {topic: "topic", text: $text}) { status }
}"""

_LOG_IN = """
import sys, django
django.setup()
from django.contrib.auth import get_user_model, login
from django.contrib.sessions.backends.db import SessionStore
from django.http import HttpRequest
user = get_user_model().objects.get(username=sys.argv[1])
user.is_staff = sys.argv[2] == "staff"
user.save()
request = HttpRequest()
request.session = SessionStore()
login(request, user, backend="django.contrib.auth.backends.ModelBackend")
request.session.save()
print(request.session.session_key)
"""


@dataclass
class Deployment:
    """A site with a server, and the keys of people."""

    site: Site
    server: Server
    keys: dict[str, str]

    def publish(self, text: str) -> None:
        """Publish a text without the browser."""
        self._post(PUBLISH, text=text)

    def ping(self) -> None:
        """Ping the topic without the browser."""
        self._post('mutation { pingTopic(topic: "topic") { pingedAt } }')

    def session(self, username: str, *, staff: bool = False) -> str:
        """Log somebody in; return the value of their cookie."""
        return self.site.run("-c", _LOG_IN, username, "staff" if staff else "").strip()

    def _post(self, query: str, **variables: str) -> None:
        body = {"query": query, "variables": variables}
        headers = {"Authorization": f"Bearer {self.keys['worker']}"}
        answer = httpx.post(self.server.graphql, json=body, headers=headers, trust_env=False)
        assert "errors" not in answer.json(), answer.text


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Return a browser, one for each module of tests."""
    with chromium.started() as browser:
        yield browser


@pytest.fixture(scope="module")
def made_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, dict[str, str]]]:
    """Return a site on the backend of this run, and people's keys."""
    with site(tmp_path_factory.mktemp("site")) as made:
        yield made, made.prepare(TOPICS, PEOPLE)


@pytest.fixture(scope="module")
def deployment(made_site: tuple[Site, dict[str, str]]) -> Iterator[Deployment]:
    """Run a server that has the static files, as the demo's."""
    made, keys = made_site
    with made.server(DEBUG="1") as server:
        yield Deployment(made, server, keys)


@pytest.fixture
def console(browser: Browser, deployment: Deployment) -> Iterator[Console]:
    """Open the page in a browser that knows nothing; nothing may go wrong in it."""
    with browser.new_context(viewport={"width": 1400, "height": 900}, locale="en-GB") as context:
        console = Console(context, deployment.server.graphql).open()
        yield console
        assert console.complaints == []
        assert console.refused == []
