"""Clients outlive a restart of the server, and miss nothing by it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.acceptance.servers import Site, site
from tests.clients.conftest import PEOPLE, Deployment
from tests.clients.node import Node

LIBRARIES = ["apollo", "urql", "graphql-ws", "graphql-sse"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, dict[str, str]]]:
    """Return a site with a topic for each client, and the keys of people."""
    topics = {library: {"store_messages": "store"} for library in LIBRARIES}
    with site(tmp_path_factory.mktemp("site")) as made:
        yield made, made.prepare(topics, PEOPLE)


@pytest.mark.parametrize("library", LIBRARIES)
def test_restart(node: Node, made: tuple[Site, dict[str, str]], library: str) -> None:
    """What is published before, while there is no server, and after comes once, in order."""
    where, keys = made
    with where.server() as first:
        broker = Deployment(where, first, keys)
        scenario = node.start("restart", library=library, topic=library, **broker.given("reader"))
        try:
            broker.publish(library, "before 1", "before 2")
            assert [scenario.told() for _ in range(2)] == ["before 1", "before 2"]
            first.stop()
            broker.publish(library, "meanwhile 1", "meanwhile 2")
            with where.server(port=first.port):
                meanwhile = [scenario.told() for _ in range(2)]
                assert meanwhile == ["meanwhile 1", "meanwhile 2"]
                broker.publish(library, "after")
                assert scenario.told() == "after"
                scenario.tell("enough")
                scenario.end()
        finally:
            scenario.kill()
    log = (where.folder / f"server-{first.port}.log").read_text(encoding="utf-8")
    assert "Traceback" not in log
