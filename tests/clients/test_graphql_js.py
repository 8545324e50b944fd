"""What JavaScript makes of our schema and of our page."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from dasf_broker.schema import schema
from tests.clients.node import installed
from tests.docs import pages

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "tests" / "clients" / "graphql_js"

#: The executable examples, which are the page's tabs too.
EXAMPLES = [path.read_text(encoding="utf-8") for path in ROOT.glob("examples/graphql/*.graphql")]


@pytest.fixture(scope="module")
def graphql_js(pytestconfig: pytest.Config) -> Path:
    """Install graphql-js, as the lock file has it, once."""
    folder = installed(PACKAGE, pytestconfig)
    shutil.copy(PACKAGE / "check.mjs", folder)
    return folder


def test_schema_is_understood(graphql_js: Path) -> None:
    """The exported schema and its introspection are valid to graphql-js, and the same."""
    told = _check(graphql_js, (ROOT / "schema.graphql").read_text(encoding="utf-8"))
    assert told["errors"] == []
    own = {name for name in schema._schema.type_map if not name.startswith("__")}
    assert own <= set(told["types"])
    assert told["introspected"] == told["types"]


def test_examples_are_valid(graphql_js: Path) -> None:
    """The examples are valid to graphql-js."""
    assert EXAMPLES
    assert _check(graphql_js, schema.as_str(), *EXAMPLES)["errors"] == []


def test_documentation_is_valid(graphql_js: Path) -> None:
    """What the README, the tutorial and the guides show is valid to graphql-js."""
    assert _check(graphql_js, schema.as_str(), *pages.documents())["errors"] == []


def test_check_can_fail(graphql_js: Path) -> None:
    """A document with an unknown field is reported."""
    [error] = _check(graphql_js, schema.as_str(), "{ nothing }")["errors"]
    assert "nothing" in error


def _check(folder: Path, sdl: str, *documents: str) -> dict[str, Any]:
    given = {"sdl": sdl, "introspection": schema.introspect(), "documents": documents}
    told: dict[str, Any] = json.loads(
        _run("node", "check.mjs", cwd=folder, stdin=json.dumps(given))
    )
    return told


def _run(*command: str, cwd: Path, stdin: str = "") -> str:
    done = subprocess.run(
        command, cwd=cwd, input=stdin, capture_output=True, text=True, check=False, timeout=100
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
