"""Terminals in which the commands of a page are typed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Thread

from tests.services import postgres_program

#: Seconds after which something that should happen is not going to.
DEADLINE = 60.0

#: Seconds that packages may take to be installed.
PATIENCE = 240.0

#: What the tests themselves run on must not be seen by those who read the page.
_OURS = ("DASF_", "DATABASE_URL", "DJANGO_", "PYTEST", "PYTHON", "REDIS_URL", "VIRTUAL_ENV")

#: Programs of PostgreSQL that pages use.
_OF_POSTGRES = ("pg_dump", "pg_restore")

_END = "--- end of block"
_FAILED = "--- failed:"


class Terminal:
    """A shell that remembers its folder and variables from one block to the next."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._script = folder / f".block-{id(self)}.sh"
        self._lines: list[str] = []
        self._shell = subprocess.Popen(
            ["/bin/bash", "--noprofile", "--norc"],
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        Thread(target=self._listen, daemon=True).start()
        self._type(f"set -o errtrace; trap 'echo \"{_FAILED} $BASH_COMMAND\"' ERR")

    def run(self, text: str) -> str:
        """Run a block to its end; return what it printed."""
        begin = len(self._lines)
        self.start(text)
        until(lambda: f"{_END}\n" in self._lines[begin:], self.output, PATIENCE)
        printed = self._lines[begin : self._lines.index(f"{_END}\n", begin)]
        assert not any(line.startswith(_FAILED) for line in printed), "".join(printed)
        return "".join(printed)

    def start(self, text: str) -> None:
        """Run a block, and do not wait for it."""
        self._script.write_text(text, encoding="utf-8")
        self._type(f". {self._script} < /dev/null\nprintf '\\n%s\\n' '{_END}'")

    def output(self) -> str:
        """Return all that was printed so far."""
        return "".join(self._lines)

    def has_ended(self) -> bool:
        """Tell whether what was started last has ended."""
        return f"{_END}\n" in self._lines

    def close(self) -> None:
        """End the shell, and all that runs in it."""
        os.killpg(self._shell.pid, signal.SIGTERM)
        assert self._shell.stdin is not None
        self._shell.stdin.close()
        try:
            self._shell.wait(timeout=1)  # an idle shell takes no notice of SIGTERM
        except subprocess.TimeoutExpired:
            os.killpg(self._shell.pid, signal.SIGKILL)
            self._shell.wait()
        self._script.unlink(missing_ok=True)

    def _type(self, text: str) -> None:
        assert self._shell.stdin is not None
        self._shell.stdin.write(f"{text}\n")
        self._shell.stdin.flush()

    def _listen(self) -> None:
        assert self._shell.stdout is not None
        with self._shell.stdout as output:
            self._lines.extend(output)


def environment_of_a_newcomer(folder: Path) -> dict[str, str]:
    """Return an environment that has Python, and nothing of these tests."""
    programs = folder / "bin"
    programs.mkdir(parents=True)
    (programs / "python3").symlink_to(Path(sys.base_prefix) / "bin" / "python3")
    for program in _OF_POSTGRES:  # of the version of the server that the tests run
        _put(programs / program, postgres_program(program))
    inherited = {n: v for n, v in os.environ.items() if not n.startswith(_OURS)}
    own = Path(sys.prefix) / "bin"
    paths = [each for each in os.environ["PATH"].split(":") if Path(each) != own]
    return {**inherited, "PATH": ":".join([str(programs), *paths]), "PYTHONUNBUFFERED": "1"}


def _put(command: Path, program: Path) -> None:
    command.write_text(f'#!/bin/sh\nexec "{program}" "$@"\n', encoding="utf-8")
    command.chmod(0o755)


def until(condition: Callable[[], object], tell: Callable[[], str], seconds: float) -> None:
    """Wait until a condition holds; on failure show what there is to tell."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, tell()
        time.sleep(0.05)
