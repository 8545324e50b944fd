"""Where Chromium is on this machine, and how the tests start it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")


def find() -> str:
    """Return the path of the browser: ``CHROMIUM``, or one that is installed.

    Raises
    ------
    RuntimeError
        There is none.
    """
    candidates = [os.environ.get("CHROMIUM"), *map(shutil.which, NAMES)]
    for path in candidates:
        if path:
            return path
    raise RuntimeError("There is no Chromium here: run tests/browser/install_chromium.sh.")


@contextmanager
def started() -> Iterator[Browser]:
    """Run a browser without a window."""
    # Chromium's sandbox refuses to work for root, as in containers of a CI.
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find(), args=arguments)
        yield browser
        browser.close()
