"""The last steps of the tutorial and the README in a browser: open the page, see a message come."""

from __future__ import annotations

import re
from uuid import uuid4

import pytest
from playwright.sync_api import BrowserContext

from tests.browser import chromium
from tests.browser.console import Console
from tests.docs import pages
from tests.docs.conftest import Finished
from tests.docs.pages import Page
from tests.docs.reader import served

pytestmark = pytest.mark.timeout(600)


def test_tutorial(tutorial: Finished) -> None:
    """Ada signs in; what she publishes in one tab of the browser appears in the other."""
    page = pages.read(pages.TUTORIAL)
    with (
        served(page, tutorial.project) as url,
        chromium.started() as browser,
        browser.new_context() as context,
    ):
        _sign_in(context, url)
        _publish_and_see(context, url, page, shown='"celsius": 7.5')


def test_readme(readme: Finished) -> None:
    """Ada enters her key; what she publishes in one tab of the browser appears in the other."""
    page = pages.read(pages.README)
    with (
        served(page, readme.project) as url,
        chromium.started() as browser,
        browser.new_context() as context,
    ):
        key = readme.project.environment["KEY"]
        _publish_and_see(context, url, page, key=key, shown='"celsius": 6.2')


def _publish_and_see(
    context: BrowserContext, url: str, page: Page, *, shown: str, key: str = ""
) -> None:
    subscription, mutation = [each.text for each in page.blocks if each.kind == "graphql"][:2]
    mutation = re.sub(r'(messageId: )"[^"]+"', rf'\1"{uuid4()}"', mutation)  # not a duplicate
    first, second = (Console(context, f"{url}/graphql/").open() for _ in range(2))
    for tab in (first, second):
        if key:
            tab.enter_token(key)
    first.write(subscription)
    first.run()
    second.write(mutation)
    second.run()
    second.shows('"status": "')
    first.shows(shown)
    assert first.complaints == second.complaints == []


def _sign_in(context: BrowserContext, url: str) -> None:
    page = context.new_page()
    page.goto(f"{url}/admin/")
    page.get_by_label("Username").fill("ada")
    page.get_by_label("Password").fill("change-me-soon")
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(f"{url}/admin/")
    page.close()
