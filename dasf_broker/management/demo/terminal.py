"""What the demo says on the terminal: where everything is, and what to try."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from django.core.management.color import Style
from django.urls import NoReverseMatch, reverse

from dasf_broker.management.demo.seed import Secrets

TOPICS = {
    "machine": "the load and memory of this machine, every second; subscribe to it",
    "echo": "acknowledges what is published to it, and answers pings",
    "inbox": "yours alone: publish, read, acknowledge",
}
LIVE = 'subscription { messages(topic: "machine") { publishTime data } }'

PUBLISH = """mutation ($input: PublishMessageInput!) {
  publishMessage(input: $input) { status message { messageId publishTime data } } }"""
ACKNOWLEDGE = """mutation ($id: UUID!) {
  acknowledgeMessage(topic: "inbox", messageId: $id) { status removed } }"""
PING = 'mutation { pingTopic(topic: "echo") { pingedAt topic { availability { status } } } }'


@dataclass(frozen=True)
class Places:
    """The URLs of a server on this machine."""

    host: str
    port: int

    @property
    def graphql(self) -> str:
        """Where GraphQL is spoken over HTTP."""
        return f"http://{self.host}:{self.port}{reverse('dasf_broker:graphql')}"

    @property
    def websocket(self) -> str:
        """Where it is spoken over websockets."""
        return "ws" + self.graphql.removeprefix("http")

    @property
    def admin(self) -> str | None:
        """Where the admin is, if the project has it."""
        try:
            return f"http://{self.host}:{self.port}{reverse('admin:index')}"
        except NoReverseMatch:
            return None


def guide(places: Places, made: Secrets, style: Style) -> Iterator[str]:
    """Yield what a newcomer needs, line by line."""
    yield ""
    yield from _section(style, "Where", _places(places))
    yield from _section(style, "Who", _accounts(made))
    yield from _section(style, "Topics", TOPICS)
    yield from _section(style, "Live, on the page above", {"": LIVE})
    yield style.MIGRATE_HEADING("From a second terminal, as demo")
    if made.token is None:
        yield "  export TOKEN=$(python manage.py dasf_token demo)"
    for title, command in commands(places.graphql, made.token).items():
        yield f"  # {title}"
        yield command
    yield ""


def commands(url: str, token: str | None) -> dict[str, str]:
    """Return shell commands to paste, by what they do.

    Parameters
    ----------
    url
        The GraphQL endpoint.
    token
        The key to send; without one the commands read the variable ``TOKEN``.
    """
    # Chosen by the client, so that the second command can name the message of the first.
    message_id = str(uuid4())
    message = {"topic": "inbox", "messageId": message_id, "data": {"hello": "world"}}
    bodies: dict[str, dict[str, Any]] = {
        "publish a message": {"query": PUBLISH, "variables": {"input": message}},
        "acknowledge it": {"query": ACKNOWLEDGE, "variables": {"id": message_id}},
        "ping the echo client; ask again, and it is ONLINE": {"query": PING},
    }
    return {title: _curl(url, token or "$TOKEN", body) for title, body in bodies.items()}


def _curl(url: str, key: str, body: dict[str, Any]) -> str:
    text = json.dumps(body | {"query": " ".join(body["query"].split())})
    # Double quotes around the key, because the shell has to fill in $TOKEN.
    return (
        f'curl -sS {url} -H "Authorization: Bearer {key}" '
        f"-H 'Content-Type: application/json' -d {shlex.quote(text)}"
    )


def _places(places: Places) -> dict[str, str]:
    found = {
        "GraphQL": f"{places.graphql}  (open it in a browser, or POST)",
        "live": f"{places.websocket}  (graphql-transport-ws)",
    }
    return found | ({"admin": places.admin} if places.admin else {})


def _accounts(made: Secrets) -> dict[str, str]:
    accounts = {name: f"password {password}" for name, password in made.passwords.items()}
    if made.token is not None:
        accounts["API token"] = f"{made.token}  (of demo)"
    if accounts:
        return accounts | {"": "Keep them: they are shown this once. --reset makes new ones."}
    return {
        "": "admin and demo; their passwords and the token were shown by the first run.",
        "new ones": "manage.py changepassword demo, manage.py dasf_token demo",
    }


def _section(style: Style, title: str, rows: dict[str, str]) -> Iterator[str]:
    yield style.MIGRATE_HEADING(title)
    for name, text in rows.items():
        yield f"  {name:<10}{text}" if name else f"  {text}"
    yield ""
