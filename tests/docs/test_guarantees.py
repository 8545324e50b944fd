"""The page of promises: each line names tests, and they exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "guarantees.md"


def test_each_promise_names_its_tests() -> None:
    """Every row of a table names at least one file of tests, and each of them holds some."""
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("| ")]
    promises = [row for row in rows if not row.startswith("| promise ")]
    numbers = {int(found) for row in promises for found in re.findall(r"^\| (\d+)\.", row)}
    assert numbers == set(range(1, 16)), "the fifteen promises of the design"
    for row in promises:
        files = re.findall(r"`(tests/[\w/]+\.py)`", row)
        assert files, row
        for name in files:
            assert _tests_in(ROOT / name), name


def test_no_other_file_is_named() -> None:
    """Commands and texts beside the tables name files that exist."""
    for name in re.findall(r"tests/[\w/]+\.py", PAGE.read_text()):
        assert (ROOT / name).is_file(), name


def _tests_in(path: Path) -> list[str]:
    return [
        name
        for node in ast.walk(ast.parse(path.read_text()))
        for name in _defined(node)
        if name.lower().startswith("test")
    ]


def _defined(node: ast.AST) -> list[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return [node.name]
    if isinstance(node, ast.Assign):  # a state machine of Hypothesis
        return [target.id for target in node.targets if isinstance(target, ast.Name)]
    return []
