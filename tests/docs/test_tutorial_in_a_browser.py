"""The last step of the tutorial as people take it: sign in, open the page, see a message come."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import BrowserContext

from tests.browser import chromium
from tests.browser.console import Console
from tests.docs import pages
from tests.docs.conftest import Finished
from tests.docs.reader import Project
from tests.docs.terminals import Terminal
from tests.services import free_port, wait_for_port

pytestmark = [pytest.mark.clients, pytest.mark.timeout(600)]


def test_a_message_in_ones_own_page(tutorial: Finished) -> None:
    """What is published in one tab of the browser appears in the other."""
    page = pages.read(pages.TUTORIAL)
    subscription, mutation = (each.text for each in page.blocks if each.kind == "graphql")
    with (
        _served(tutorial.project) as url,
        chromium.started() as browser,
        browser.new_context() as context,
    ):
        _sign_in(context, url)
        first, second = (Console(context, f"{url}/graphql/").open() for _ in range(2))
        first.write(subscription)
        first.run()
        second.write(mutation)
        second.run()
        second.shows('"status": "STORED"')
        first.shows('"celsius": 7.5')
        assert first.complaints == second.complaints == []


@contextmanager
def _served(project: Project) -> Iterator[str]:
    """Start the project's server as the tutorial says."""
    [server] = [each for each in pages.read(pages.TUTORIAL).blocks if "terminal" in each.notes]
    port = free_port()
    command = server.text.partition("activate\n")[2].replace("8000", str(port))
    terminal = Terminal(project.folder, project.environment)
    try:
        terminal.start(command)
        wait_for_port(port)
        yield f"http://127.0.0.1:{port}"
    finally:
        terminal.close()


def _sign_in(context: BrowserContext, url: str) -> None:
    page = context.new_page()
    page.goto(f"{url}/admin/")
    page.get_by_label("Username").fill("ada")
    page.get_by_label("Password").fill("change-me-soon")
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(f"{url}/admin/")
    page.close()
