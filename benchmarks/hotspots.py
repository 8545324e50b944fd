"""Name the largest costs in a profile of py-spy: ``python -m benchmarks.hotspots FILE.raw``.

The cost of a function includes the functions that it calls. Functions of the broker come first,
because we can change them; functions of other packages follow.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

#: How many are named.
MOST = 10

#: A waiting thread costs nothing, but py-spy sometimes counts it as working.
_IDLE = {"threading.py Condition.wait", "concurrent/futures/thread.py _worker"}

_FRAME = re.compile(r"(?P<name>.+) \((?P<file>[^()]+?)(?::\d+)?\)$")


def read_profile(lines: Iterable[str]) -> Iterator[tuple[list[str], int]]:
    """Yield each stack, outermost function first, and how often it was seen."""
    for line in lines:
        stack, _, count = line.rpartition(" ")
        yield [_shown(frame) for frame in stack.split(";")], int(count)


def costs(stacks: Iterable[tuple[list[str], int]]) -> tuple[Counter[str], Counter[str], int]:
    """Return what each function costs with and without what it calls, and the total."""
    inclusive: Counter[str] = Counter()
    own: Counter[str] = Counter()
    total = 0
    for stack, count in stacks:
        if stack[-1] in _IDLE:
            continue
        total += count
        own[stack[-1]] += count
        for function in set(stack):
            inclusive[function] += count
    return inclusive, own, total


def lines(inclusive: Counter[str], own: Counter[str], total: int) -> Iterator[str]:
    """Yield the largest costs as a table in Markdown."""
    ours = [each for each in inclusive.most_common() if each[0].startswith("dasf_broker/")]
    groups = {
        "functions of the broker, with all that they call": ours[:MOST],
        "functions of anybody, by themselves": own.most_common(MOST),
    }
    for title, found in groups.items():
        yield f"| {title} | share |"
        yield "|---|---|"
        for name, count in found:
            yield f"| `{name}` | {count / total:.1%} |"
        yield ""


def _shown(frame: str) -> str:
    found = _FRAME.match(frame)
    return frame if found is None else f"{found['file']} {found['name']}"


def main() -> None:
    """Print the table."""
    with Path(sys.argv[1]).open() as profile:
        for line in lines(*costs(read_profile(profile))):
            sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    main()
