"""What the tests of the pages share: projects as the tutorial and the README leave them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests import services
from tests.docs import pages
from tests.docs.reader import Project, Reader
from tests.docs.terminals import environment_of_a_newcomer


@dataclass(frozen=True)
class Finished:
    """What a newcomer has at the end of a page."""

    project: Project
    #: What came in the page for browsers.
    received: str


@pytest.fixture(scope="package")
def tutorial(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """Follow the tutorial, from nothing, and stop the server."""
    folder = tmp_path_factory.mktemp("newcomer")
    nothing = Project(folder, environment_of_a_newcomer(folder / "machine"))
    with Reader(nothing) as reader:
        reader.follow(pages.read(pages.TUTORIAL))
        [page] = reader.subscriptions
        return Finished(reader.project(), page.output())


@pytest.fixture(scope="package")
def readme(tutorial: Finished, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """Follow the README, in the virtual environment of the tutorial, and stop the server."""
    empty = Project(tmp_path_factory.mktemp("readme"), tutorial.project.environment)
    with Reader(empty) as reader:
        reader.follow(pages.read(pages.README))
        [page] = reader.subscriptions
        return Finished(reader.project(), page.output())


@pytest.fixture
def addresses() -> Iterator[dict[str, str]]:
    """Run PostgreSQL and Redis; return what stands for their addresses in the pages."""
    with services.postgres() as database, services.redis() as redis:
        yield {
            "postgres://mysite:secret@127.0.0.1/mysite": database,
            "redis://127.0.0.1:6379/0": redis,
        }
