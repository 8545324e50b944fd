"""The packages of the clients: exact versions, and no address to load them from."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.clients.node import EXAMPLES, HERE

PACKAGES = [HERE, EXAMPLES / "apollo", EXAMPLES / "urql"]


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.name)
def test_lock(package: Path) -> None:
    """Whoever installs them takes the registry that their npm knows."""
    lock = (package / "package-lock.json").read_text(encoding="utf-8")
    assert '"resolved"' not in lock
    assert "omit-lockfile-registry-resolved=true" in (package / ".npmrc").read_text()
    locked = json.loads(lock)["packages"]
    wanted = json.loads((package / "package.json").read_text(encoding="utf-8"))
    named = {**wanted["dependencies"], **wanted.get("devDependencies", {})}
    assert named == {name: locked[f"node_modules/{name}"]["version"] for name in named}
    assert all("integrity" in each for name, each in locked.items() if name)
