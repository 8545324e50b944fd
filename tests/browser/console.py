"""The page, as a person sees and uses it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import BrowserContext, ConsoleMessage, Locator, Page, expect

#: Milliseconds after which something that should happen is not going to.
PATIENCE = 30_000

#: Tells what the page's policy refused. Runs before any script of the page.
WATCH = """
globalThis.refused = [];
document.addEventListener("securitypolicyviolation", (event) => {
  globalThis.refused.push(`${event.violatedDirective}: ${event.blockedURI}`);
});
"""

#: Sets the text of the editor where the cursor is.
REPLACE = """text => {
  const editors = globalThis.__MONACO.editor.getEditors();
  editors.find((editor) => editor.hasTextFocus()).setValue(text);
}"""


class Console:
    """The page in one tab of a browser, and all that went wrong in it."""

    def __init__(self, context: BrowserContext, url: str) -> None:
        context.set_default_timeout(PATIENCE)
        self.url = url
        self.page: Page = context.new_page()
        self.complaints: list[str] = []
        self.addresses: list[str] = []
        self.page.add_init_script(WATCH)
        self.page.on("console", self._listen)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.addresses.append(request.url))
        self.page.on("websocket", lambda socket: self.addresses.append(socket.url))

    @property
    def hosts(self) -> set[str]:
        """Whom the page asked for anything; what the page itself holds does not count."""
        return {urlsplit(url).netloc for url in self.addresses} - {""}

    @property
    def refused(self) -> Any:
        """What the page's policy refused."""
        return self.page.evaluate("globalThis.refused")

    @property
    def viewer(self) -> Locator:
        """Who the page says is there."""
        return self.page.locator("#viewer")

    @property
    def response(self) -> Locator:
        """What the pane on the right shows."""
        return self.page.locator(".graphiql-response")

    @property
    def events(self) -> Locator:
        """What the panel lists as having arrived."""
        return self.page.locator(".events > li")

    def pane(self, name: str) -> Locator:
        """Return one of the editors: ``Operation Editor``, ``Variables``."""
        return self.page.get_by_role("region", name=name).locator(".graphiql-editor:not(.hidden)")

    def mistakes(self, pane: str) -> Locator:
        """Return what one of the editors' workers finds wrong first."""
        return self.pane(pane).locator(".squiggly-error").first

    def open(self) -> Console:
        """Load the page, and wait until one can work with it."""
        self.page.goto(self.url)
        expect(self.page.locator(".graphiql-query-editor .view-line").first).to_be_visible()
        return self

    def enter_token(self, key: str) -> None:
        """Say who we are."""
        self.page.get_by_label("API token").fill(key)
        self.page.keyboard.press("Enter")

    def choose(self, tab: str) -> None:
        """Go to a tab."""
        self.page.get_by_role("tab").get_by_text(tab, exact=True).click()

    def write(self, query: str) -> None:
        """Replace the operation."""
        self._replace("Operation Editor", query)

    def write_variables(self, variables: str) -> None:
        """Replace the variables."""
        self._replace("Variables", variables)

    def run(self) -> None:
        """Press the button."""
        self.page.get_by_role("button", name="Execute query").click()

    def stop(self) -> None:
        """Press the button that ends a subscription."""
        self.page.get_by_role("button", name="Stop query").click()

    def listen(self) -> None:
        """Press the button that listens beside the tabs."""
        self.page.get_by_role("button", name="Listen beside the tabs").click()

    def shows(self, text: str) -> None:
        """Wait until the response holds a text; the editor breaks lines and widens blanks."""
        pattern = re.compile(r"\s*".join(map(re.escape, text.split(" "))))
        expect(self.response).to_contain_text(pattern)

    def photograph(self, name: str) -> None:
        """Keep what the page looks like, for people to look at after the tests."""
        folder = Path(__file__).parents[2] / "build" / "screenshots"
        self.page.screenshot(path=folder / f"{name}.png")

    def _replace(self, section: str, text: str) -> None:
        self.pane(section).locator(".view-lines").click()
        # Typing would have the editor close brackets and quotes that are there already.
        self.page.evaluate(REPLACE, text)

    def _listen(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)
