"""A new project with the broker works, on each database: the base of all tests of hosts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.hosts.projects import Services, host_project, services_of_backend


@pytest.fixture(scope="module")
def running(request: pytest.FixtureRequest) -> Iterator[Services]:
    """Run the services of each backend in turn."""
    with services_of_backend(request.config.getoption("backend")) as urls:
        yield urls


def test_a_new_project_publishes(running: Services, tmp_path: Path) -> None:
    """Its server stores what its user publishes."""
    with host_project(tmp_path, running) as site:
        keys = site.prepare({"weather": {}}, {"ada": ["can_produce"]})
        document = (
            'mutation { publishMessage(input: {topic: "weather", data: {celsius: 6}}) { status } }'
        )
        with site.server() as server:
            answer = httpx.post(
                server.graphql,
                json={"query": document},
                headers={"Authorization": f"Bearer {keys['ada']}"},
            )
    assert answer.json() == {"data": {"publishMessage": {"status": "STORED"}}}
