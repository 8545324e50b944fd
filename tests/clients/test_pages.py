"""The example pages, built with Vite and opened in a real browser."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests import services
from tests.browser import chromium
from tests.clients.conftest import Deployment
from tests.clients.node import DEADLINE, EXAMPLES, installed
from tests.clients.scripts import consumer, outstanding, until

PATIENCE = DEADLINE * 1000


@pytest.mark.parametrize("name", ["apollo", "urql"])
def test_page(
    deployment: Deployment, pytestconfig: pytest.Config, tmp_path: Path, name: str
) -> None:
    """It shows messages as they come, acknowledges them, and tells who is there."""
    folder = built(name, tmp_path, installed(EXAMPLES / name, pytestconfig))
    with served(folder, deployment) as url, chromium.started() as browser:
        page = browser.new_page()
        complaints: list[str] = []
        page.on("pageerror", lambda error: complaints.append(str(error)))
        deployment.publish("topic", "outstanding")
        page.goto(f"{url}?topic=topic&key={deployment.keys['worker']}")
        items = page.get_by_role("listitem")
        expect(items).to_have_text(["outstanding acknowledge"], timeout=PATIENCE)
        deployment.publish("topic", "live")
        expect(items).to_have_count(2, timeout=PATIENCE)
        page.get_by_role("button").first.click()
        expect(items).to_have_text(["live acknowledge"], timeout=PATIENCE)
        assert outstanding(deployment) == 1
        page.get_by_role("button").first.click()
        until(lambda: outstanding(deployment) == 0)
        with consumer(deployment):
            expect(page.get_by_role("status")).to_have_text("ONLINE", timeout=PATIENCE)
        assert complaints == []


def built(name: str, folder: Path, packages: Path) -> Path:
    """Build a page beside what it imports; return its folder."""
    shutil.copytree(
        EXAMPLES,
        folder / "examples",
        ignore=shutil.ignore_patterns("node_modules", "dist", "scripts"),
    )
    page = folder / "examples" / name
    (page / "node_modules").symlink_to(packages / "node_modules")
    done = subprocess.run(
        ["node", "node_modules/vite/bin/vite.js", "build"],
        cwd=page,
        capture_output=True,
        text=True,
        check=False,
        timeout=DEADLINE,
    )
    assert done.returncode == 0, done.stderr
    return page


@contextmanager
def served(page: Path, deployment: Deployment) -> Iterator[str]:
    """Serve a page as its README says; yield where."""
    port = services.free_port()
    command = ["node", "node_modules/vite/bin/vite.js", "preview", "--host", "127.0.0.1"]
    process = subprocess.Popen(
        [*command, "--port", str(port), "--strictPort"],
        cwd=page,
        env={**os.environ, "DASF_BROKER": f"http://127.0.0.1:{deployment.server.port}"},
        stdout=subprocess.DEVNULL,
    )
    with process:
        try:
            services.wait_for_port(port)
            yield f"http://127.0.0.1:{port}/"
        finally:
            process.terminate()
