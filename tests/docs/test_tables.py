"""Tables that are written by hand have what the code has."""

from __future__ import annotations

import re

from dasf_broker.domain.storage import StoragePolicy
from dasf_broker.permissions import Right
from tests.acceptance.servers import AS_IN_README
from tests.docs.pages import DOCS, ROOT, table


def _first_column(name: str, heading: str) -> list[str]:
    return [row[0].strip("`") for row in table(name, heading)]


def test_rights() -> None:
    """Each right that decides something is there."""
    assert _first_column("reference/rights.md", "right") == [right.value for right in Right]


def test_storage_rules() -> None:
    """Each storage rule is there."""
    rules = [policy.value for policy in StoragePolicy]
    assert _first_column("explanation/storage.md", "rule") == rules


def test_server_options() -> None:
    """Each option of the server that the tests use is explained."""
    explained = " ".join(row[0] for row in table("reference/server.md", "option"))
    for option in AS_IN_README:
        assert option in explained


def test_architecture_names_what_is_there() -> None:
    """Each file and folder that the architecture names exists."""
    text = (DOCS / "architecture.md").read_text(encoding="utf-8")
    named = re.findall(r"`([\w/]+(?:\.py|\.md|\.graphql|/))`", text)
    assert len(named) > 50
    assert not [name for name in named if not _exists(name)]


def _exists(name: str) -> bool:
    return (ROOT / name).exists() or any((ROOT / "dasf_broker").rglob(name.rstrip("/")))
