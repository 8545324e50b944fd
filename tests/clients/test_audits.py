"""GraphQL over HTTP as its specification wants it: the audits of graphql-http, all of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.servers import site
from tests.clients.node import Node

#: How many there are, MUST, SHOULD and MAY; another number is another version of them.
AUDITS = 61

#: Those that ask for queries in URLs, which are off unless a host wants them. All are MAY.
OF_GET = {"D6D5", "6A70"}


@pytest.fixture(
    params=["testproject.asgi:application", "testproject.asgi:django_application"],
    ids=["beside Django", "Django's view"],
)
def application(request: pytest.FixtureRequest) -> str:
    """Name what serves each of the two doors in turn."""
    name: str = request.param
    return name


def test_audits(node: Node, application: str, tmp_path: Path) -> None:
    """Not one is missed, where queries in URLs are on."""
    told = _audit(node, application, tmp_path, DJANGO_SETTINGS_MODULE="tests.clients.settings")
    assert [each for each in told if each["status"] != "ok"] == []
    assert len(told) == AUDITS


def test_audits_by_default(node: Node, application: str, tmp_path: Path) -> None:
    """What is off by itself is nothing that a server must or should do."""
    told = _audit(node, application, tmp_path)
    missed = {each["id"]: each for each in told if each["status"] != "ok"}
    assert set(missed) == OF_GET
    assert all(each["name"].startswith("MAY") for each in missed.values())


def _audit(node: Node, application: str, folder: Path, **environment: str) -> list[dict[str, Any]]:
    lifespan = "off" if "django" in application else "on"
    # For some ask for types, which not everybody may else.
    debugging = site(folder, DEBUG="1")
    with (
        debugging as made,
        made.server(
            "--lifespan", lifespan, application=application, port=None, **environment
        ) as server,
    ):
        told: list[dict[str, Any]] = node.run("audits", url=server.graphql)
        return told
