"""A reader that does what a page says, block after block, and compares the results."""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.docs.pages import ROOT, Block, Page
from tests.docs.terminals import DEADLINE, Terminal, until
from tests.services import free_port, wait_for_port

_ASK = """curl --silent http://127.0.0.1:8000/graphql/ -H "Content-Type: application/json" \\
  -H "Authorization: Bearer $KEY" --data @"{body}" {more}
"""

#: Seconds after which a request is sent once more, for subscriptions that it came too early for.
AGAIN = 3.0


@dataclass(frozen=True)
class Project:
    """A project that the reader of a page has made, with its virtual environment."""

    folder: Path
    #: Variables of the terminal in which it was made.
    environment: Mapping[str, str]

    def copy(self, folder: Path) -> Project:
        """Return the same project in another folder."""
        shutil.copytree(
            self.folder, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".venv")
        )
        return Project(folder, self.environment)


class Reader:
    """Somebody with terminals, an editor, and the page of the broker in a browser."""

    def __init__(self, project: Project, replacements: Mapping[str, str] | None = None) -> None:
        self.folder = project.folder
        self._environment = project.environment
        self._replacements = {
            "~/dasf-broker-graphql": str(ROOT),
            **{port: str(free_port()) for port in ("8000", "8001")},
            **(replacements or {}),
        }
        self._terminal = Terminal(self.folder, project.environment)
        self._others: list[Terminal] = []
        #: Subscriptions of the page.
        self.subscriptions: list[Terminal] = []
        #: What the last block came to, for the next one that says what that is.
        self._came: Callable[[str], bool] = lambda _: False
        self._shown: Callable[[], str] = str

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close all terminals; after a failure show what is in them."""
        for terminal in [*self._others[::-1], self._terminal]:
            terminal.close()
            if error is not None:
                print(f"--- a terminal\n{terminal.output()}")  # noqa: T201 - pytest shows it

    def follow(self, page: Page) -> None:
        """Do what a page says."""
        for block in page.blocks:
            if "not run" in block.notes or block.kind == "{literalinclude}":
                continue
            self._do(block)

    def project(self) -> Project:
        """Return what was made so far."""
        here = self._folder_now()
        told = here / ".environment"
        self._terminal.run(f"env --null > {told}\n")
        variables = told.read_text(encoding="utf-8").rstrip("\0").split("\0")
        told.unlink()
        return Project(here, dict(each.split("=", 1) for each in variables))

    def _do(self, block: Block) -> None:
        text = self._replaced(block.text)
        if (before := block.notes.get("before")) is not None:
            self._terminal.run(f"{before}\n")
        match block.kind, block.file:
            case _, (path, how):
                self._write(path, text, append=how == "at the end")
            case "sh", _:
                self._run(block, text)
            case "graphql", _:
                self._ask(block, text)
            case "python", _ if text.startswith("# python manage.py shell\n"):
                script = self._folder_now() / "pasted.py"
                script.write_text(text, encoding="utf-8")
                self._run(block, "python manage.py shell --no-imports < pasted.py\n")
            case "text" | "json", _:
                until(lambda: self._came(text), lambda: f"{block}: {self._shown()}", DEADLINE)
            case _:
                raise AssertionError(f"{block}: nobody knows what to do with {block.kind}.")

    def _write(self, path: str, text: str, *, append: bool) -> None:
        # What belongs elsewhere on a machine goes into a folder that stands for the machine.
        target = self._folder_now() / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("a" if append else "w", encoding="utf-8") as file:
            file.write(f"\n{text}")

    def _run(self, block: Block, text: str) -> None:
        if "terminal" in block.notes:
            self._start(text)
            return
        printed = self._terminal.run(text)
        end = time.monotonic() + DEADLINE
        while block.notes.get("until", "") not in printed:
            assert time.monotonic() < end, f"{block}: {printed}"
            printed = self._terminal.run(text)
        self._shown = lambda: printed
        self._came = lambda told: _alike(printed, told)

    def _start(self, text: str) -> Terminal:
        # A terminal is opened where the page begins, with the variables of the first one.
        begins = re.match(r"cd (\S+)\n", text)
        now = self.project()
        folder = now.folder.parent if begins else now.folder
        terminal = Terminal(folder, now.environment)
        self._others.append(terminal)
        terminal.start(text)
        for port in re.findall(r"--port (\d+)", text):
            ready = partial(_listens_or_ended, terminal, int(port))
            until(ready, terminal.output, DEADLINE)
            assert not terminal.has_ended(), terminal.output()
        self._shown = terminal.output
        self._came = lambda told: told in terminal.output()
        return terminal

    def _ask(self, block: Block, document: str) -> None:
        body = self._folder_now() / f"body-{block.line}.json"
        body.write_text(json.dumps({"query": document}), encoding="utf-8")
        live = document.startswith("subscription")
        more = '--no-buffer --header "Accept: text/event-stream"' if live else ""
        command = self._replaced(_ASK.format(body=body, more=more))
        if live:
            self.subscriptions.append(self._start(command))
            return
        self._run(block, command)
        assert '"errors"' not in self._shown(), f"{block}: {self._shown()}"
        for each in self.subscriptions:  # this is what they wait for
            until(partial(self._has_data_at_last, each, command), each.output, DEADLINE)

    def _has_data_at_last(self, subscription: Terminal, command: str) -> bool:
        # Pings and pongs are not stored: they pass by a subscription that is only beginning.
        end = time.monotonic() + AGAIN
        while not _has_data(subscription) and time.monotonic() < end:
            time.sleep(0.05)
        if not _has_data(subscription):
            self._terminal.run(command)
        return _has_data(subscription)

    def _folder_now(self) -> Path:
        return Path(self._terminal.run("pwd").strip())

    def _replaced(self, text: str) -> str:
        for old, new in self._replacements.items():
            text = text.replace(old, new)
        return text


@contextmanager
def served(page: Page, project: Project) -> Iterator[str]:
    """Start the server of a project as a page says, at a free port; yield its address."""
    [server] = [block for block in page.blocks if block.notes.get("terminal") == "server"]
    port = free_port()
    command = server.text.rpartition("activate\n")[2].replace("8000", str(port))
    terminal = Terminal(project.folder, project.environment)
    try:
        terminal.start(command)
        wait_for_port(port)
        yield f"http://127.0.0.1:{port}"
    finally:
        terminal.close()


def _listens_or_ended(terminal: Terminal, port: int) -> bool:
    try:
        wait_for_port(port, seconds=0)
    except OSError:
        return terminal.has_ended()
    return True


def _has_data(terminal: Terminal) -> bool:
    return "data: " in terminal.output()


def _alike(printed: str, told: str) -> bool:
    """Tell whether both are the same: as JSON where they are JSON, apart from times."""
    try:
        return bool(_json(printed) == _json(told))
    except json.JSONDecodeError:
        return printed.strip() == told.strip()


def _json(text: str) -> Any:
    return json.loads(re.sub(r"\d{4}-\d\d-\d\dT[\d:.+]+", "TIME", text))
