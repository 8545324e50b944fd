"""What subscriptions bring is shown, also after the connection was lost."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, expect

from tests.acceptance.servers import Site
from tests.browser.conftest import Deployment
from tests.browser.console import Console

TOPIC = '{"topic": "topic"}'


@pytest.fixture
def worker(console: Console, deployment: Deployment) -> Console:
    """Return the page of somebody who may do everything with the topic."""
    console.enter_token(deployment.keys["worker"])
    expect(console.viewer).to_have_text("worker")
    return console


def test_messages(worker: Console, deployment: Deployment) -> None:
    """A message that is published meanwhile appears, and the next one too."""
    worker.write_variables(TOPIC)
    worker.run()
    deployment.publish("published meanwhile")
    worker.shows('"username"')
    first = worker.response.inner_text()
    deployment.publish("and another one")
    expect(worker.response).not_to_have_text(first)
    worker.photograph("messages")
    worker.stop()


def test_ping_and_pong(worker: Console, deployment: Deployment) -> None:
    """Pings are shown to consumers; their pongs to whoever listens beside the tabs."""
    worker.choose("WatchPongs")
    worker.write_variables(TOPIC)
    worker.listen()
    worker.choose("WatchPings")
    worker.write_variables(TOPIC)
    worker.run()
    # Whether a subscription has begun is not told: ping until it has.
    ping_until(worker, deployment)
    worker.choose("Pong")
    worker.write_variables(TOPIC)
    worker.run()
    worker.shows('"pongedAt"')
    expect(worker.events.filter(has_text='"status": "ONLINE"').first).to_be_visible()
    worker.photograph("pongs")


def test_listening_goes_on(worker: Console) -> None:
    """What is published from one tab arrives at the subscription of another."""
    worker.write_variables(TOPIC)
    worker.listen()
    expect(worker.page.locator(".listeners .is-live")).to_have_text("WatchMessages · topicStop")
    worker.choose("Publish")
    worker.write_variables('{"topic": "topic", "data": {"from": "another tab"}}')
    worker.run()
    worker.shows('"STORED"')
    expect(worker.events.filter(has_text='"from": "another tab"')).to_be_visible()
    worker.photograph("live")
    worker.page.get_by_role("button", name="Stop: WatchMessages").click()
    expect(worker.page.locator(".listeners li")).to_have_count(0)
    worker.page.get_by_role("button", name="Clear", exact=True).click()
    expect(worker.events).to_have_count(0)


def test_nothing_to_listen_to(worker: Console) -> None:
    """Who listens to a query is told what to do."""
    worker.choose("Topics")
    worker.listen()
    expect(worker.events).to_contain_text("Choose a tab with a subscription")


def test_an_error(worker: Console) -> None:
    """An error of the subscription is shown, and the button is ready again."""
    worker.write_variables('{"topic": "nowhere"}')
    worker.run()
    worker.shows('"NOT_FOUND"')
    expect(worker.page.get_by_role("button", name="Execute query")).to_be_visible()


def test_it_connects_again(browser: Browser, made_site: tuple[Site, dict[str, str]]) -> None:
    """A subscription outlives a restart of the server; the page says so meanwhile."""
    site, keys = made_site
    with browser.new_context() as context:
        with site.server(DEBUG="1") as first:
            console = Console(context, first.graphql).open()
            console.enter_token(keys["worker"])
            console.write_variables(TOPIC)
            console.listen()
            live = console.page.locator(".listeners .is-live")
            expect(live).to_be_visible()
            notice = console.page.locator("#connection")
            expect(notice).to_be_empty()
        expect(notice).to_contain_text("Connection lost")
        with site.server(port=first.port, DEBUG="1") as second:
            expect(live).to_be_visible()
            expect(notice).to_be_empty()
            Deployment(site, second, keys).publish("after the restart")
            expect(console.events.filter(has_text="messageId").last).to_be_visible()


def ping_until(console: Console, deployment: Deployment) -> None:
    """Ping until the response shows it."""
    for _ in range(20):
        deployment.ping()
        if "pingedAt" in console.response.inner_text():
            return
    raise AssertionError(console.response.inner_text())
