"""Set up the sites of benchmarks, each with its own database, and run candidates in turns."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from tests.acceptance.servers import Site, copy_of, site_on

T = TypeVar("T")

#: The topic of most benchmarks, under the default storage rule.
TOPIC = "topic"

#: The flags of servers that have nothing of ours, after those of the README.
UVICORNS_OWN = ("--ws", "websockets-sansio")

#: The rights of users on topics.
PEOPLE = {"producer": ["can_produce"], "consumer": ["can_consume"]}

#: What lets one user be as many as a benchmark needs.
UNLIMITED = {"DJANGO_SETTINGS_MODULE": "benchmarks.settings"}


@dataclass
class Bench:
    """One run of the benchmarks.

    Parameters
    ----------
    folder
        An empty folder on the disk that is measured.
    runs
        How often each candidate has its turn.
    seconds
        How long a turn lasts.
    is_quick
        Whether it is about the code of the benchmarks only: small, short, and once.
    """

    folder: Path
    runs: int = 5
    seconds: float = 4.0
    is_quick: bool = False
    _numbers: Iterator[int] = field(default_factory=itertools.count)
    _template: Site | None = None

    def size(self, usual: int, quick: int) -> int:
        """Return how many: fewer when it is only about the code."""
        return quick if self.is_quick else usual

    def new_folder(self, name: str) -> Path:
        """Return an empty folder."""
        folder = self.folder / f"{name}-{next(self._numbers)}"
        folder.mkdir()
        return folder

    @contextmanager
    def site(self, name: str = "site", *topics: str) -> Iterator[tuple[Site, dict[str, str]]]:
        """Make a site on SQLite as in the README; yield it with people's keys."""
        if self._template is None:
            with site_on(self.new_folder("template"), None, None) as template:
                self._template = template
        with copy_of(self._template, self.new_folder(name)) as copied:
            made = replace(copied, environment={**copied.environment, **UNLIMITED})
            yield made, made.prepare({slug: {} for slug in topics or [TOPIC]}, PEOPLE)

    def in_turns(self, candidates: Mapping[str, Callable[[], T]]) -> dict[str, list[T]]:
        """Let each have its turn, again and again: A B A B, so that disturbances hit both."""
        results: dict[str, list[T]] = {name: [] for name in candidates}
        for _ in range(self.runs):
            for name, run in candidates.items():
                try:
                    results[name].append(run())
                except Exception as error:
                    error.add_note(f"It was the turn of {name}.")
                    raise
        return results
