"""Who the page speaks for: nobody, the owner of a token, or whoever is logged in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.conftest import Deployment
from tests.browser.console import Console

TOPIC = '{"topic": "topic"}'
WRONG = "dasf_00000000_wrong"

LogIn = Callable[..., Console]


@pytest.fixture
def log_in(browser: Browser, deployment: Deployment) -> Iterator[LogIn]:
    """Return a function that opens the page as somebody who is logged in."""
    with ExitStack() as stack:

        def open_(username: str, *, staff: bool = False) -> Console:
            context = stack.enter_context(browser.new_context())
            cookie = {"name": "sessionid", "value": deployment.session(username, staff=staff)}
            context.add_cookies([{**cookie, "url": deployment.server.graphql}])  # type: ignore[typeddict-item]
            return Console(context, deployment.server.graphql).open()

        yield open_


def test_a_token(console: Console, deployment: Deployment) -> None:
    """A token reaches queries and subscriptions."""
    console.enter_token(deployment.keys["worker"])
    expect(console.viewer).to_have_text("worker")
    console.write("{ viewer { username } }")
    console.run()
    console.shows('"username": "worker"')
    console.write('subscription { availability(topic: "topic") { status } }')
    console.run()
    console.shows('"availability": { "status"')


def test_a_token_stays_in_its_tab(console: Console, deployment: Deployment) -> None:
    """A token outlives a reload, and nothing else knows it."""
    key = deployment.keys["worker"]
    console.enter_token(key)
    expect(console.viewer).to_have_text("worker")
    console.page.reload()
    expect(console.viewer).to_have_text("worker")
    kept = console.page.evaluate("[JSON.stringify(localStorage), document.cookie]")
    assert not any(key in each for each in kept)
    other = Console(console.page.context, console.url).open()
    expect(other.viewer).to_have_text("Not logged in")


def test_a_wrong_token(console: Console) -> None:
    """A token that is refused is told, by the header and by both transports."""
    console.enter_token(WRONG)
    expect(console.viewer).to_contain_text("token is wrong")
    console.write("{ viewer { username } }")
    console.run()
    console.shows('"UNAUTHENTICATED"')
    console.write('subscription { availability(topic: "topic") { status } }')
    console.run()
    console.shows("The connection was closed: 4401")
    assert console.complaints, "the browser says that a request was refused"
    assert all("401" in complaint for complaint in console.complaints)
    console.complaints.clear()


def test_a_session(log_in: LogIn) -> None:
    """Who is logged in needs no token: queries, mutations and subscriptions are theirs."""
    console = log_in("worker")
    expect(console.viewer).to_have_text("worker")
    # The examples name a topic that this user may really use.
    console.choose("Publish")
    expect(console.pane("Variables")).to_contain_text('"topic"')
    console.run()
    console.shows('"STORED"')
    console.choose("WatchMessages")
    console.run()
    console.shows('"username": "worker"')
    assert console.complaints == []


@pytest.mark.parametrize("staff", [True, False])
def test_administration(log_in: LogIn, staff: bool) -> None:
    """Staff find the way to the administration."""
    console = log_in("stranger", staff=staff)
    expect(console.viewer).to_have_text("stranger")
    link = console.page.get_by_role("link", name="Administration")
    expect(link).to_have_count(int(staff))
    assert not staff or link.get_attribute("href") == "/admin/"
