"""Checks that hold under ``python -O``, too, which leaves out every ``assert``."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import dasf_broker
from tests.doors import clients, sockets
from tests.operations import helpers
from tests.security import attempts

PACKAGE = Path(dasf_broker.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))

#: A test that fails if its ``assert`` is executed, and only then.
FAILING = "def test_something():\n    assert 1 + 1 == 3\n"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_check_is_an_assert(path: Path) -> None:
    """The package has no ``assert``, and asks nowhere whether there are any."""
    for node in ast.walk(ast.parse(path.read_text())):
        assert not isinstance(node, ast.Assert), f"line {node.lineno}"
        assert not (isinstance(node, ast.Name) and node.id == "__debug__")


def test_tests_can_fail_under_optimisation(tmp_path: Path) -> None:
    """Pytest rewrites the ``assert`` of tests: ``make test-slow`` may run them optimised."""
    (tmp_path / "test_failing.py").write_text(FAILING)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:django", "."],
        cwd=tmp_path,
        env={**os.environ, "PYTHONOPTIMIZE": "1", "PYTEST_ADDOPTS": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert "1 failed" in done.stdout


@pytest.mark.parametrize(
    "helper", [sockets, clients, attempts, helpers], ids=lambda each: each.__name__
)
def test_helpers_can_fail_too(helper: ModuleType) -> None:
    """Pytest rewrites their ``assert`` as well: see `tests/backend.py`."""
    assert type(helper.__loader__).__name__ == "AssertionRewritingHook"


def test_this_process_is_as_it_should_be() -> None:
    """Where the environment asks for optimisation, the workers of a test run have it, too."""
    assert sys.flags.optimize == int(os.environ.get("PYTHONOPTIMIZE") or 0)
