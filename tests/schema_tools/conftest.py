"""What these tests share: Node.js with the tools, and a folder in which they find their files."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.clients.node import installed

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
SCHEMA = ROOT / "schema.graphql"

#: Runs a command in the folder of the tools; it must end well, unless told otherwise.
Run = Callable[..., str]


@pytest.fixture
def tools(pytestconfig: pytest.Config, tmp_path: Path) -> Path:
    """Return a folder with the tools, the exported schema and the examples."""
    packages = installed(HERE, pytestconfig)
    for name in ("client.ts", "codegen.mjs", "diff.mjs", "eslint.config.mjs", "tsconfig.json"):
        shutil.copy(HERE / name, tmp_path)
    shutil.copy(HERE / "package.json", tmp_path)
    shutil.copy(SCHEMA, tmp_path)
    shutil.copytree(ROOT / "examples" / "graphql", tmp_path / "documents")
    (tmp_path / "node_modules").symlink_to(packages / "node_modules")
    return tmp_path


@pytest.fixture
def run(tools: Path) -> Run:
    """Return a function that runs a command: ``run("tsc", "--version")``."""

    def run_(*command: str, fails: bool = False) -> str:
        done = subprocess.run(
            command, cwd=tools, capture_output=True, text=True, check=False, timeout=100
        )
        assert (done.returncode != 0) is fails, done.stdout + done.stderr
        return done.stdout

    return run_
