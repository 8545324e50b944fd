"""The exported schema is written as GraphQL schemas are: names, descriptions, pages of lists."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.schema_tools.conftest import Run

ESLINT = ("node_modules/.bin/eslint", "--max-warnings=0", "schema.graphql")

#: Where the argument of a list begins.
FIRST = '    """Return at most this number of items, from the start."""\n    first: '


def test_nothing_is_reported(run: Run) -> None:
    """The rules of eslint.config.mjs hold."""
    run(*ESLINT)


@pytest.mark.parametrize(
    ("written", "instead", "rule"),
    [
        ('"""Read topics, messages and the state of the broker."""\n', "", "require-description"),
        ("  deliveredToAll: Boolean!", "  delivered_to_all: Boolean!", "naming-convention"),
        ("  publishTime: DateTime!", "  publishTime: DateTime! @deprecated", "require-deprecation"),
        ("  hasNextPage: Boolean!", "  hasNextPage: Boolean", "relay-page-info"),
        (f"  responseTopics(\n{FIRST}Int\n", f"  responseTopics(\n{FIRST}ID\n", "relay-arguments"),
        ("  edges: [MessageEdge!]!", "  edges: MessageEdge!", "relay-connection-types"),
    ],
)
def test_what_is_wrong_is_reported(
    run: Run, tools: Path, written: str, instead: str, rule: str
) -> None:
    """Each kind of rule finds what it is there for."""
    schema = tools / "schema.graphql"
    text = schema.read_text(encoding="utf-8")
    assert written in text
    schema.write_text(text.replace(written, instead, 1), encoding="utf-8")
    assert f"@graphql-eslint/{rule}" in run(*ESLINT, fails=True)
