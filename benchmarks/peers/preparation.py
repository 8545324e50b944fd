"""Install the peers once, in a folder for temporary files, and start their servers."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests import services
from tests.acceptance.servers import Server

NODE = Path(__file__).parent / "node"
REFERENCE = Path(__file__).parent / "reference_site"


def node_folder() -> Path:
    """Return a folder with the servers for Node.js and what they import."""
    return _built(NODE, _install_node)


def reference_folder() -> Path:
    """Return a folder with a site of the reference system and its virtual environment."""
    return _built(REFERENCE, _install_reference)


@contextmanager
def peer(
    command: Sequence[str | Path], folder: Path, environment: Mapping[str, str] | None = None
) -> Iterator[Server]:
    """Run a server as long as the context lasts; it is told its port in place of ``PORT``."""
    port = services.free_port()
    with (folder / f"server-{port}.log").open("wb") as log:
        process = subprocess.Popen(
            [str(port) if part == "PORT" else part for part in command],
            cwd=folder,
            env=None if environment is None else dict(environment),
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    server = Server(process, port)
    try:
        services.wait_for_port(port)
        yield server
    finally:
        server.kill()


def _built(source: Path, install: object) -> Path:
    # What is built stays there for the next run: some of it is compiled.
    files = sorted(each for each in source.iterdir() if each.is_file())
    digest = hashlib.sha256(b"".join(each.read_bytes() for each in files)).hexdigest()[:12]
    folder = Path(tempfile.gettempdir()) / f"dasf-peers-{source.name}-{digest}"
    if not (folder / ".built").exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        for each in files:
            shutil.copy(each, folder)
        assert callable(install)
        install(folder)
        (folder / ".built").touch()
    return folder


def _install_node(folder: Path) -> None:
    subprocess.run(["npm", "ci", "--no-audit", "--no-fund"], cwd=folder, check=True)


def _install_reference(folder: Path) -> None:
    python = folder / ".venv" / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", folder / ".venv"], check=True)
    pip: list[str | Path] = [
        python,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
    ]
    subprocess.run([*pip, "-r", folder / "requirements.txt"], check=True)
