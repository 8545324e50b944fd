"""Each test runs somewhere: its folder is in one of the lists of the Makefile."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]

#: The lists that `make test`, `make test-slow` and `make test-clients` run.
_LIST = re.compile(r"^(\w+_TESTS(?:_ONCE)?) := (.+)$", re.MULTILINE)


def test_no_test_is_left_out() -> None:
    """Nor does one run twice on a backend: a folder inside another one is taken out there."""
    lists = dict(_LIST.findall((ROOT / "Makefile").read_text()))
    folders = [ROOT / folder for names in lists.values() for folder in names.split()]
    assert len(lists) == 9
    assert all(folder.is_dir() for folder in folders)
    files = set((ROOT / "tests").rglob("test_*.py")) - set(
        (ROOT / "tests/hosts/project").rglob("*")
    )
    left_out = {each for each in files if not any(each.is_relative_to(one) for one in folders)}
    assert left_out == set()
