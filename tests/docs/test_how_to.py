"""Each how-to guide, block after block, on a project as the guide expects it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.docs import pages
from tests.docs.conftest import Finished
from tests.docs.pages import Block, Page
from tests.docs.reader import Project, Reader
from tests.docs.terminals import Terminal

pytestmark = pytest.mark.timeout(600)

#: What is not run, and why that is so. As few as possible.
NOT_RUN = {
    ("howto/compose.md", "it needs Docker and images from elsewhere"),
    ("howto/servers.md", "tests/slow runs it"),
    ("howto/systemd.md", "it starts services of the whole machine"),
    ("howto/upgrade.md", "it installs what is installed already"),
}


#: Guides that wait long or start many processes: `make test-slow` follows them.
LONG = {
    f"howto/{name}.md"
    for name in ("apollo", "backup", "databases", "logs", "processes", "testing", "upgrade")
}


@pytest.mark.parametrize("name", [each for each in pages.HOW_TO if each not in LONG])
def test_guide(
    name: str, tutorial: Finished, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """What the guide tells to do can be done, and comes to what it says."""
    follow(name, tutorial, tmp_path, request)


def follow(name: str, tutorial: Finished, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """Do what a guide tells to do, on a project as it expects one."""
    page = pages.read(name)
    services = "services" in page.notes
    addresses = request.getfixturevalue("addresses") if services else {}
    with Reader(_beginning(page, tutorial, tmp_path), addresses) as reader:
        for before in _pages_before(page):
            reader.follow(before)
        reader.follow(page)


def test_not_run() -> None:
    """Only these blocks are not run; each has a reason."""
    blocks = [
        block for name in [pages.TUTORIAL, *pages.HOW_TO] for block in pages.read(name).blocks
    ]
    assert {(b.page, b.notes["not run"]) for b in blocks if "not run" in b.notes} == NOT_RUN


def _beginning(page: Page, tutorial: Finished, folder: Path) -> Project:
    if page.notes["start"] != "an empty project":
        return tutorial.project.copy(folder)
    terminal = Terminal(folder, tutorial.project.environment)
    terminal.run("django-admin startproject mysite .")
    terminal.close()
    return Project(folder, tutorial.project.environment)


def _pages_before(page: Page) -> list[Page]:
    match page.notes["start"]:
        case "an empty project" | "the tutorial":
            return []
        case "the tutorial, with its server":
            return [Page(pages.TUTORIAL, blocks=[_server_of_the_tutorial()])]
        case name:
            return [pages.read(name)]


def _server_of_the_tutorial() -> Block:
    """Return the block that starts the server, without the way there."""
    [block] = [b for b in pages.read(pages.TUTORIAL).blocks if b.notes.get("terminal") == "server"]
    return replace(block, text="\n".join(block.text.splitlines()[2:]) + "\n")
