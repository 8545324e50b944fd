"""The text that the demo prints: URLs, accounts and commands to try."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

from django.core.management.color import Style

from dasf_broker.management.demo.curl import commands
from dasf_broker.management.demo.places import Places
from dasf_broker.management.demo.seed import Secrets

TOPICS = {
    "machine": "the load and memory of this machine, every second; subscribe to it",
    "echo": "acknowledges what is published to it, and answers pings",
    "inbox": "only for you: publish, read, acknowledge",
}
LIVE = 'subscription { messages(topic: "machine") { publishTime data } }'


def guide(places: Places, made: Secrets, style: Style) -> Iterator[str]:
    """Yield the lines of the text."""
    yield ""
    yield from _section(style, "Where", _places(places))
    yield from _section(style, "Who", _accounts(made))
    yield from _section(style, "Topics", TOPICS)
    yield from _section(style, "Live, on the page above, with the token", {"": LIVE})
    yield style.MIGRATE_HEADING("From a second terminal, as demo")
    if made.token is None:
        yield f"export TOKEN=$({_manage()} dasf_token demo)"
    for title, command in commands(places.graphql, made.token).items():
        yield f"# {title}"
        yield command
    yield ""


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
        return accounts | {"": "Keep them: they are shown only once. --reset creates new ones."}
    return {
        "": "admin and demo; their passwords and the token were shown by the first run.",
        "new ones": f"{_manage()} changepassword demo",
        "or": f"{_manage()} dasf_token demo",
    }


def _manage() -> str:
    """Return the command line that runs ``manage.py`` with this Python."""
    python, here = Path(sys.executable), Path.cwd()
    shown = python.relative_to(here) if python.is_relative_to(here) else python
    return shlex.join([str(shown), "manage.py"])


def _section(style: Style, title: str, rows: dict[str, str]) -> Iterator[str]:
    yield style.MIGRATE_HEADING(title)
    for name, text in rows.items():
        yield f"  {name:<10}{text}" if name else f"  {text}"
    yield ""
