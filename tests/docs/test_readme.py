"""The README: it is short, what it says works, and what it points to is there."""

from __future__ import annotations

import re
from urllib.parse import urljoin

import httpx
import pytest

from tests.docs import pages
from tests.docs.conftest import Finished
from tests.docs.pages import DOCS, ROOT
from tests.docs.reader import served

pytestmark = pytest.mark.timeout(600)

TEXT = (ROOT / "README.md").read_text(encoding="utf-8")


def test_length() -> None:
    """It has at most 900 words, its code included."""
    assert len(TEXT.split()) <= 900


def test_steps(readme: Finished) -> None:
    """Its blocks, one after the other, lead from nothing to a message in the page."""
    assert '"data":{"celsius":6.2}' in readme.received


def test_page_loads_its_files(readme: Finished) -> None:
    """The server of the README has the page for browsers, and all files that the page names."""
    with served(pages.read(pages.README), readme.project) as url:
        page = httpx.get(f"{url}/graphql/", headers={"accept": "text/html"}, trust_env=False)
        files = re.findall(r'(?:src|href|data-\w+-worker)="(/[^"]+)"', page.text)
        answers = [httpx.get(urljoin(url, file), trust_env=False) for file in files]
    kinds = [answer.headers["content-type"].partition(";")[0] for answer in answers]
    assert [answer.status_code for answer in answers] == [200] * 5
    assert kinds == ["text/css", *["text/javascript"] * 4]


def test_links_and_targets_exist() -> None:
    """What it links to is there, and `make` knows what it tells to make."""
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", TEXT)
    assert not [link for link in links if not (ROOT / link).exists()]
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"\bmake ([a-z-]+)", TEXT))
    assert targets <= set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    assert {"demo", "test"} <= targets


def test_figures_are_measured() -> None:
    """Each figure stands in the page that says how it was measured."""
    section = TEXT.partition("## How fast\n")[2].partition("\n## ")[0]
    figures = set(re.findall(r"\d[\d,.]*\d|\d", section))
    measured = (DOCS / "performance.md").read_text(encoding="utf-8")
    assert figures
    assert figures <= set(re.findall(r"\d[\d,.]*\d|\d", measured))


@pytest.mark.parametrize("name", [pages.README, pages.TUTORIAL, *pages.HOW_TO])
def test_nothing_deeper_than_the_api(name: str) -> None:
    """Newcomers see the functions that are made for them, and nothing behind these."""
    text = (DOCS / name).read_text(encoding="utf-8")
    assert not re.findall(r"\bCaller\b|\bEnvelope\b|\bget_writer\b|dasf_broker\.operations\.", text)
