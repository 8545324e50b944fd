"""The page loads, asks nobody else, and answers queries."""

from __future__ import annotations

import re
import time
from pathlib import Path

from playwright.sync_api import expect

from tests.browser.conftest import Deployment
from tests.browser.console import Console

EXAMPLES = sorted(Path(__file__).parents[2].glob("examples/graphql/*.graphql"))

#: What the page consists of.
FILES = {"main.js", "main.css", "editor.worker.js", "graphql.worker.js", "json.worker.js"}

#: Seconds for the last of them to be asked for.
PATIENCE = 20.0


def test_it_loads(console: Console, deployment: Deployment) -> None:
    """All that the page needs comes from this host, workers included."""
    expect(console.viewer).to_have_text("Not logged in")
    console.run()
    console.shows("errors")
    own = f"127.0.0.1:{deployment.server.port}"
    assert console.hosts == {own}
    end = time.monotonic() + PATIENCE
    while _files(console) != FILES and time.monotonic() < end:  # workers come when they are needed
        console.page.wait_for_timeout(100)
    assert _files(console) == FILES


def _files(console: Console) -> set[str]:
    return {url.rpartition("/")[2] for url in console.addresses if "/static/" in url}


def test_tabs_are_the_examples(console: Console) -> None:
    """Each example is a tab, in order, with its comment and its variables."""
    tabs = console.page.get_by_role("tab").all_inner_texts()
    assert len(tabs) == len(EXAMPLES) > 5
    for tab, path in zip(tabs, EXAMPLES, strict=True):
        assert f" {tab.strip()}" in path.read_text(encoding="utf-8")
    comment = re.compile(r"#\sThe\smessages\sof\sa\stopic,\slive")
    expect(console.pane("Operation Editor")).to_contain_text(comment)
    expect(console.pane("Variables")).to_contain_text('"topic"')


def test_a_query(console: Console, deployment: Deployment) -> None:
    """What is written is sent, and its answer is shown."""
    console.enter_token(deployment.keys["worker"])
    console.choose("Topics")
    console.run()
    console.shows('"slug": "topic"')
    console.shows('"canConsume": true')
    console.photograph("query")


def test_the_schema_is_there(console: Console) -> None:
    """The page knows the schema: its documentation, the explorer, and what is wrong."""
    console.page.get_by_role("button", name="Show Documentation Explorer").click()
    expect(console.page.get_by_role("link", name="Subscription")).to_be_visible()
    console.page.get_by_role("button", name="Show GraphiQL Explorer").click()
    expect(console.page.get_by_text("subscription WatchMessages").first).to_be_visible()
    console.write("{ nothing }")
    expect(console.mistakes("Operation Editor")).to_be_visible()


def test_variables_are_checked(console: Console) -> None:
    """Variables of a wrong type are marked; a variable that takes JSON takes any."""
    console.choose("Publish")
    console.write_variables('{"topic": 1, "data": {"a": [1, null]}}')
    expect(console.mistakes("Variables")).to_be_visible()
    console.write_variables('{"topic": "topic", "data": {"a": [1, null]}}')
    expect(console.mistakes("Variables")).to_have_count(0)


def test_prettify(console: Console) -> None:
    """Operations and variables are indented by the button."""
    console.write("{viewer{username}}")
    console.write_variables('{"a":1}')
    console.page.get_by_role("button", name="Prettify query").click()
    expect(console.pane("Operation Editor").locator(".view-line")).to_have_count(6)
    expect(console.pane("Variables").locator(".view-line")).to_have_count(3)


def test_dark(console: Console) -> None:
    """The page is dark where the system is."""
    light = background(console)
    console.page.emulate_media(color_scheme="dark")
    assert background(console) != light
    console.photograph("dark")


def background(console: Console) -> str:
    """Return the colour behind everything."""
    return str(console.page.evaluate("getComputedStyle(document.body).backgroundColor"))
