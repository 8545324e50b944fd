"""A typed client in Python, made from the schema and the examples by ariadne-codegen.

It lives in an environment of its own: its dependencies are not ours.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.acceptance.servers import Server, site
from tests.schema_tools.conftest import HERE, ROOT, SCHEMA

PYTHON = HERE / "python"


@pytest.fixture(scope="module")
def client(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the generated client, beside an environment that can run it."""
    folder = tmp_path_factory.mktemp("python")
    shutil.copy(SCHEMA, folder)
    shutil.copy(PYTHON / "ariadne.toml", folder / "pyproject.toml")
    shutil.copy(PYTHON / "program.py", folder)
    shutil.copytree(ROOT / "examples" / "graphql", folder / "documents")
    (folder / "venv").symlink_to(_environment(pytestconfig))
    _run(folder, "ariadne-codegen")
    return folder


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, str]]:
    """Run a server; yield it with the key of somebody who publishes and consumes."""
    with site(tmp_path_factory.mktemp("site")) as made:
        keys = made.prepare({"topic": {}}, {"worker": ["can_consume", "can_produce"]})
        with made.server() as running:
            yield running, keys["worker"]


def test_every_example_is_a_method(client: Path) -> None:
    """The client has a method for each of the examples."""
    generated = (client / "broker_client" / "client.py").read_text(encoding="utf-8")
    examples = list((client / "documents").glob("*.graphql"))
    # Its first is the `def gql`, which makes a document of a text.
    assert generated.count("def ") - 1 == len(examples) > 0


def test_types_fit(client: Path) -> None:
    """The program uses the types as they are, to the strictest type checker."""
    _run(client, "mypy", "--strict", "program.py")


def test_types_are_checked(client: Path) -> None:
    """A program that takes a message id for a text is found out."""
    program = (client / "program.py").read_text(encoding="utf-8")
    (client / "wrong.py").write_text(program.replace("message_id: UUID", "message_id: str"))
    assert "Incompatible types" in _run(client, "mypy", "--strict", "wrong.py", fails=True)


def test_it_works(client: Path, server: tuple[Server, str]) -> None:
    """The program publishes a message, receives it live and acknowledges it."""
    running, key = server
    places = {"GRAPHQL_HTTP": running.graphql, "GRAPHQL_WEBSOCKET": running.graphql_websocket}
    _run(client, "python", "program.py", environment={**places, "KEY": key})


def _environment(config: pytest.Config) -> Path:
    requirements = PYTHON / "requirements.txt"
    digest = hashlib.sha256(requirements.read_bytes()).hexdigest()[:12]
    folder = config.cache.mkdir(f"typed-python-{digest}")
    if not (folder / ".installed").exists():
        pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--no-deps"]
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        subprocess.run([*pip, "--requirement", str(requirements)], check=True, capture_output=True)
        (folder / ".installed").touch()
    return folder


def _run(
    folder: Path, *command: str, environment: Mapping[str, str] | None = None, fails: bool = False
) -> str:
    inherited = {name: text for name, text in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [f"venv/bin/{command[0]}", *command[1:]],
        cwd=folder,
        env={**inherited, **(environment or {})},
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert (done.returncode != 0) is fails, done.stdout + done.stderr
    return done.stdout
