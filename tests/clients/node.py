"""Run JavaScript with the packages of a lock file, which are installed once."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from fcntl import LOCK_EX, flock
from pathlib import Path
from queue import Queue
from threading import Thread
from typing import IO, Any

import pytest

#: Seconds for a scenario, and for each thing that it tells on its way.
DEADLINE = 40.0

HERE = Path(__file__).parent
EXAMPLES = HERE.parents[1] / "examples"


def installed(package: Path, config: pytest.Config) -> Path:
    """Return a folder with a package and what its lock file names, installed at the first call."""
    files = [package / name for name in ("package.json", "package-lock.json", ".npmrc")]
    digest = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:12]
    folder = config.cache.mkdir(f"node-{package.name}-{digest}")
    with (folder / ".lock").open("w") as lock:
        flock(lock, LOCK_EX)  # others who test side by side may want the same
        if not (folder / ".installed").exists():
            for file in files:
                shutil.copy(file, folder)
            command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
            (folder / ".installed").touch()
    return folder


class Scenario:
    """A script that runs, is given facts as JSON, and tells what happens, a JSON text a line.

    It ends well when all its assertions hold.
    """

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._told: Queue[Any] = Queue()
        assert process.stdout is not None
        Thread(target=self._listen, args=[process.stdout], daemon=True).start()

    def _listen(self, stdout: IO[str]) -> None:
        for line in stdout:
            self._told.put(json.loads(line))
        self._told.put(None)

    def told(self) -> Any:
        """Return what the script tells next."""
        told = self._told.get(timeout=DEADLINE)
        assert told is not None, f"The script ended:\n{self._errors()}"
        return told

    def tell(self, value: Any) -> None:
        """Send the script a line."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(value) + "\n")
        self._process.stdin.flush()

    def told_to_the_end(self) -> list[Any]:
        """Return all that the script told until it ended."""
        return list(iter(lambda: self._told.get(timeout=DEADLINE), None))

    def kill(self) -> None:
        """End the script, whatever it is doing."""
        with self._process:
            self._process.kill()

    def end(self) -> None:
        """Wait until the script is at its end, without failure."""
        assert self._process.wait(DEADLINE) == 0, self._errors()

    def _errors(self) -> str:
        assert self._process.stderr is not None
        return self._process.stderr.read()


class Node:
    """A folder with scenarios beside the packages that they import."""

    def __init__(self, folder: Path, packages: Path) -> None:
        self._folder = folder
        shutil.copytree(HERE / "scenarios", folder / "tests" / "clients" / "scenarios")
        shutil.copytree(
            EXAMPLES, folder / "examples", ignore=shutil.ignore_patterns("node_modules", "dist")
        )
        (folder / "node_modules").symlink_to(packages / "node_modules")

    def start(self, scenario: str, **given: Any) -> Scenario:
        """Start a scenario."""
        process = subprocess.Popen(
            ["node", f"tests/clients/scenarios/{scenario}.mjs"],
            cwd=self._folder,
            env={**os.environ, "GIVEN": json.dumps(given)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        return Scenario(process)

    @contextmanager
    def started(self, scenario: str, **given: Any) -> Iterator[Scenario]:
        """Start a scenario; it must end well within the context."""
        running = self.start(scenario, **given)
        try:
            yield running
            running.end()
        finally:
            running.kill()

    def run(self, scenario: str, **given: Any) -> list[Any]:
        """Run a scenario to its end; return what it told."""
        with self.started(scenario, **given) as running:
            running.end()
            return running.told_to_the_end()
