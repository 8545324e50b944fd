"""What JavaScript makes of our schema and of our page. Collected only where Node is there."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from dasf_broker.schema import schema
from tests import readme
from tests.doors.test_page import EXAMPLE_DOCUMENTS, STATIC

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "tests" / "graphql_js"

#: Documents, where the caret is, and which operation is meant.
CARETS = [
    ("{ viewer { username } }", 0, ("query", None)),
    ("query A { a }\nmutation B { b }", 20, ("mutation", "B")),
    ("query A { a }\nmutation B { b }", 3, ("query", "A")),
    ("fragment F on Query { a }\nsubscription S { ...F }", 0, ("subscription", "S")),
    ('# mutation M { m }\nquery Q { q(a: "} subscription S {") }', 60, ("query", "Q")),
    ('query Q($a: In = {b: "x"}) @c(d: {e: 1}) { q }', 60, ("query", "Q")),
    ('query Q { q(a: """\n} mutation M { "" """) }', 60, ("query", "Q")),
    ("", 0, None),
    ("fragment F on Query { a }", 0, None),
]

if shutil.which("node") and shutil.which("npm"):

    @pytest.fixture(scope="module")
    def graphql_js(pytestconfig: pytest.Config) -> Path:
        """Install graphql-js, as the lock file has it, once."""
        return _installed(pytestconfig)

    def test_schema_is_understood(graphql_js: Path) -> None:
        """The exported schema and its introspection are valid to graphql-js, and the same."""
        told = _check(graphql_js, (ROOT / "schema.graphql").read_text(encoding="utf-8"))
        assert told["errors"] == []
        own = {name for name in schema._schema.type_map if not name.startswith("__")}
        assert own <= set(told["types"])
        assert told["introspected"] == told["types"]

    def test_examples_of_the_page_are_valid(graphql_js: Path) -> None:
        """The documents behind the page's buttons are valid to graphql-js."""
        assert _check(graphql_js, schema.as_str(), *EXAMPLE_DOCUMENTS)["errors"] == []

    def test_check_can_fail(graphql_js: Path) -> None:
        """A document with an unknown field is reported."""
        [error] = _check(graphql_js, schema.as_str(), "{ nothing }")["errors"]
        assert "nothing" in error

    @pytest.mark.parametrize("script", readme.SCRIPTS)
    def test_scripts_of_readme_can_be_read(script: str, tmp_path: Path) -> None:
        """The clients' code in README.md is JavaScript."""
        (tmp_path / "client.mjs").write_text(script, encoding="utf-8")
        _run("node", "--check", "client.mjs", cwd=tmp_path)

    @pytest.mark.parametrize(("text", "caret", "expected"), CARETS)
    def test_page_finds_the_operation(
        text: str, caret: int, expected: tuple[str, str | None] | None, tmp_path: Path
    ) -> None:
        """The page sends the operation at the caret, whatever texts and comments say."""
        module = tmp_path / "document.mjs"
        shutil.copy(STATIC / "graphql_document.js", module)
        code = (
            f"import {{ operationAt }} from {json.dumps(module.as_uri())};"
            f"console.log(JSON.stringify(operationAt({json.dumps(text)}, {caret})));"
        )
        found = json.loads(_run("node", "--input-type=module", "-e", code, cwd=tmp_path))
        assert (found and (found["kind"], found["name"])) == expected


def _installed(config: pytest.Config) -> Path:
    lock = (PACKAGE / "package-lock.json").read_bytes()
    folder = config.cache.mkdir(f"graphql-js-{hashlib.sha256(lock).hexdigest()[:12]}")
    for file in PACKAGE.iterdir():
        if file.is_file():
            shutil.copy(file, folder)
    if not (folder / "node_modules" / "graphql" / "package.json").exists():
        _run("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", cwd=folder)
    return folder


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
