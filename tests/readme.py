"""README.md as data: its code blocks and tables."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")

#: Kind and text of each code block, in order.
BLOCKS: list[tuple[str, str]] = re.findall(r"^```(\w+)\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)
DOCUMENTS = [code for kind, code in BLOCKS if kind == "graphql"]
SCRIPTS = [code for kind, code in BLOCKS if kind == "js"]
#: The body of each request by curl, and the block that follows it: the answer.
CURLS = [
    (body, BLOCKS[index + 1])
    for index, (_, code) in enumerate(BLOCKS)
    for body in re.findall(r"-d '(.*?)'\n", code, re.DOTALL)
]


def python(beginning: str) -> str:
    """Return the Python block that begins like this."""
    [code] = [code for kind, code in BLOCKS if kind == "python" and code.startswith(beginning)]
    return code


def files() -> list[tuple[str, str]]:
    """Return path and text of the blocks that say into which file they go."""
    found = [(re.match(r"# (mysite/\w+\.py)\n", code), code) for _, code in BLOCKS]
    return [(match[1], code) for match, code in found if match]


def commands(containing: str) -> list[str]:
    """Return the lines of the shell block that contains a text."""
    [code] = [code for kind, code in BLOCKS if kind == "sh" and containing in code]
    return code.splitlines()


def table(first_heading: str) -> list[list[str]]:
    """Return the cells of the table whose first column is called so."""
    pattern = rf"^\| {first_heading} \|.*\n\|[-|]+\|\n((?:\|.*\n)+)"
    [rows] = re.findall(pattern, TEXT, re.MULTILINE)
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows.splitlines()]


def first_column(first_heading: str) -> set[str]:
    """Return what stands in the first column of a table, without its quotes."""
    return {row[0].strip("`") for row in table(first_heading)}
