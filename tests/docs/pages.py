"""Pages of the documentation as data: their code blocks, and the notes for the tests.

A note is a line of its own, which readers do not see: ``% name`` or ``% name: value``, and in the
README, which is no page of the site, ``<!-- name: value -->``. At the beginning of a page it says
with what the page begins; later on it belongs to the next block. The note ``before`` is a command
that is run before the block: it makes what readers have, and a test has not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
README = "../README.md"
TUTORIAL = "tutorial.md"
HOW_TO = sorted(
    path.relative_to(DOCS).as_posix()
    for path in (DOCS / "howto").glob("*.md")
    if path.stem != "index"
)

_NOTE = re.compile(r"(?:% |<!-- )([a-z ]+?)(?:: (.*?))?(?: -->)?$")
_FENCE = re.compile(r"```(\{?[\w-]+\}?)(?: (.*))?$")
_FILE = re.compile(r"(?:# |\{# )(\S+), (the whole file|at the end)(?: #\})?$")


@dataclass(frozen=True)
class Block:
    """A code block, or what is included in its place."""

    page: str
    line: int
    #: Its language, or the name of the directive in braces.
    kind: str
    #: What stands behind that: the path of what is included.
    argument: str
    text: str
    notes: dict[str, str]

    @property
    def file(self) -> tuple[str, str] | None:
        """The path of the file that it is, and whether it is all of it."""
        match = _FILE.match(self.text.partition("\n")[0])
        return (match[1], match[2]) if match else None

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


@dataclass(frozen=True)
class Page:
    """A page: what it begins with, and its blocks in order."""

    name: str
    notes: dict[str, str] = field(default_factory=dict)
    blocks: list[Block] = field(default_factory=list)


def read(name: str) -> Page:
    """Read a page."""
    page = Page(name)
    notes: dict[str, str] = {}
    lines = enumerate((DOCS / name).read_text(encoding="utf-8").splitlines(), 1)
    for number, line in lines:
        if match := _NOTE.match(line):
            about_page = not page.blocks and match[1] in {"start", "services"}
            (page.notes if about_page else notes)[match[1]] = match[2] or ""
        elif match := _FENCE.match(line):
            text = "".join(_until_the_fence_closes(lines))
            page.blocks.append(Block(name, number, match[1], match[2] or "", text, notes))
            notes = {}
    assert not notes, f"{name}: no block follows {notes}"
    return page


def documents() -> list[str]:
    """Return the GraphQL documents of the README, the tutorial and the guides."""
    names = [README, TUTORIAL, *HOW_TO]
    names.remove("howto/extend.md")  # whose schema is a host's own
    return [block.text for name in names for block in read(name).blocks if block.kind == "graphql"]


def table(name: str, first_heading: str) -> list[list[str]]:
    """Return the cells of the table whose first column has this heading."""
    text = (DOCS / name).read_text(encoding="utf-8")
    pattern = rf"^\| {first_heading} \|.*\n\|[-|]+\|\n((?:\|.*\n)+)"
    [rows] = re.findall(pattern, text, re.MULTILINE)
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows.splitlines()]


def files_of(name: str) -> dict[str, str]:
    """Return the files of a page that are there as a whole, by their paths."""
    found = [(block.file, block.text) for block in read(name).blocks]
    return {file[0]: text for file, text in found if file and file[1] == "the whole file"}


def _until_the_fence_closes(lines: Iterator[tuple[int, str]]) -> Iterator[str]:
    for _, line in lines:
        if line == "```":
            return
        yield f"{line}\n"
