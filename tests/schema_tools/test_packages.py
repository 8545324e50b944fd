"""The packages of Node.js that tests and examples use are pinned, from wherever they come."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.schema_tools.conftest import ROOT

FOREIGN = {"node_modules", ".venv", ".pytest_cache", "build"}

LOCKS = [
    lock.relative_to(ROOT)
    for lock in ROOT.rglob("package-lock.json")
    if FOREIGN.isdisjoint(lock.relative_to(ROOT).parts)
]


@pytest.mark.parametrize("lock", LOCKS, ids=str)
def test_versions_are_exact(lock: Path) -> None:
    """Versions are exact, contents have a checksum, and nothing says where to download them."""
    package = json.loads((ROOT / lock.parent / "package.json").read_text(encoding="utf-8"))
    wanted = {**package.get("dependencies", {}), **package.get("devDependencies", {})}
    assert wanted
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in wanted.values()), wanted
    locked = json.loads((ROOT / lock).read_text(encoding="utf-8"))["packages"]
    others = [each for path, each in locked.items() if path and not each.get("link")]
    assert len(others) >= len(wanted)
    assert not any("resolved" in each for each in others)
    assert all("integrity" in each or each.get("inBundle") for each in others)
