"""What became of the schema since the last release: what breaks clients is in the changelog."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TypedDict

import pytest

from tests.schema_tools.conftest import ROOT, SCHEMA, Run

#: The schema of the last release: `docs/releasing.md` says how it is renewed.
RELEASED = ROOT / "schema.released.graphql"


class Change(TypedDict):
    """A change, as GraphQL Inspector reports it."""

    level: str
    message: str
    path: str
    type: str


def test_breaking_changes_are_announced(run: Run) -> None:
    """The changelog names the path of every breaking change under Unreleased."""
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert not_announced(changes(run, SCHEMA), changelog) == []


@pytest.mark.parametrize(
    ("written", "instead", "path"),
    [
        ("  missed: Int!", "  missed: Int", "Message.missed"),
        ('  """Answer pings."""\n  canPong: Boolean!\n', "", "TopicPermissions.canPong"),
        (
            '  """Until every present consumer acknowledged."""\n  CACHEALL\n',
            "",
            "StoragePolicy.CACHEALL",
        ),
        ("    slug: String!\n", "    slug: ID!\n", "Query.topic.slug"),
    ],
)
def test_what_breaks_must_be_announced(
    run: Run, tools: Path, written: str, instead: str, path: str
) -> None:
    """A change that breaks clients is missed in a changelog that does not name it."""
    text = RELEASED.read_text(encoding="utf-8")
    assert written in text
    doctored = tools / "doctored.graphql"
    doctored.write_text(text.replace(written, instead, 1), encoding="utf-8")
    found = changes(run, doctored)
    entry = f"- `{path}` is not what it was.\n"
    assert [each["path"] for each in not_announced(found, "## [Unreleased]\n")] == [path]
    assert not_announced(found, f"## [Unreleased]\n{entry}\n## [0.1.0]\n") == []
    assert not_announced(found, f"## [Unreleased]\n\n## [0.1.0]\n{entry}") != []


def test_what_is_new_breaks_nothing(run: Run, tools: Path) -> None:
    """A new field need not be announced as breaking."""
    text = RELEASED.read_text(encoding="utf-8")
    doctored = tools / "doctored.graphql"
    new = "type Viewer {\n  shoeSize: Float\n"
    doctored.write_text(text.replace("type Viewer {\n", new, 1), encoding="utf-8")
    found = changes(run, doctored)
    assert "Viewer.shoeSize" in [each["path"] for each in found]
    assert not_announced(found, "") == []


def changes(run: Run, schema: Path) -> list[Change]:
    """Return what is different from the last release."""
    found: list[Change] = json.loads(run("node", "diff.mjs", str(RELEASED), str(schema)))
    return found


def not_announced(found: list[Change], changelog: str) -> list[Change]:
    """Return the breaking changes that the changelog does not name under Unreleased."""
    match = re.search(r"^## \[Unreleased\]$(.*?)(?=^## |\Z)", changelog, re.DOTALL | re.MULTILINE)
    news = match.group(1) if match else ""
    return [
        each for each in found if each["level"] == "BREAKING" and f"`{each['path']}`" not in news
    ]
