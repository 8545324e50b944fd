"""Faults inside a server process: a channel layer that misbehaves, and a clock that jumps.

A small file, which a test rewrites while the server runs, says which faults happen how often.
In the settings of the server under test::

    CHANNEL_LAYERS = {
        "default": {
            "BACKEND": "tests.chaos.harness.faults.FaultyChannelLayer",
            "CONFIG": {"layer": the_real_one, "faults": "/tmp/faults.json"},
        }
    }

and, for the clock, at the top of its ``asgi.py``, before Django is set up::

    move_clock(Path("/tmp/faults.json"))
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.utils import timezone
from django.utils.module_loading import import_string

logger = logging.getLogger(__name__)

#: Seconds for which a file that was read is believed.
FRESH = 0.05

#: Seconds, at most, by which an announcement that is to be overtaken is held back.
SHUFFLE = 0.1


@dataclass(frozen=True, slots=True)
class Faults:
    """What goes wrong now. The first four are the part of all announcements that suffers it."""

    #: Announcements that never arrive.
    drop: float = 0.0
    #: Announcements that arrive late, by up to ``lag``.
    delay: float = 0.0
    #: Announcements that arrive twice.
    duplicate: float = 0.0
    #: Announcements that are overtaken by those after them.
    reorder: float = 0.0
    #: Seconds that a delayed announcement takes at most.
    lag: float = 3.0
    #: Seconds by which the wall clock is ahead; less than 0: behind.
    clock: float = 0.0

    def write(self, path: Path) -> None:
        """Make these the faults of all processes that read the file."""
        draft = path.with_suffix(".draft")
        draft.write_text(json.dumps(asdict(self)))
        draft.replace(path)  # at once: nobody reads half of it


class FaultFile:
    """The faults as the file says them; none where there is no file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._faults = Faults()
        self._looked_at = float("-inf")
        self._version: tuple[int, int] | None = None

    def read(self) -> Faults:
        """Return the faults of this moment. Cheap: the file is opened when it has changed."""
        now = time.monotonic()
        if now - self._looked_at > FRESH:
            self._looked_at = now
            self._look()
        return self._faults

    def _look(self) -> None:
        try:
            status = self._path.stat()
            version = status.st_ino, status.st_mtime_ns
            if version != self._version:
                self._faults = Faults(**json.loads(self._path.read_text()))
                self._version = version
        except FileNotFoundError:
            self._faults, self._version = Faults(), None


class FaultyChannelLayer:
    """A channel layer whose groups lose, delay, double and shuffle what is sent to them.

    Parameters
    ----------
    layer
        The layer to wrap, as ``CHANNEL_LAYERS`` has it: ``{"BACKEND": ..., "CONFIG": ...}``.
    faults
        The file that says what goes wrong; see :class:`Faults`.
    """

    def __init__(self, layer: Mapping[str, Any], faults: str | Path) -> None:
        self._layer = import_string(layer["BACKEND"])(**layer.get("CONFIG", {}))
        self._faults = FaultFile(Path(faults))
        self._late: set[asyncio.Task[None]] = set()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._layer, name)

    async def group_send(self, group: str, message: dict[str, Any]) -> None:
        """Send to a group, or not, or twice, or later."""
        faults = self._faults.read()
        if _happens(faults.drop):
            return
        for _ in range(2 if _happens(faults.duplicate) else 1):
            if _happens(faults.delay):
                self._send_later(random.uniform(0, faults.lag), group, message)  # noqa: S311
            elif _happens(faults.reorder):
                self._send_later(random.uniform(0, SHUFFLE), group, message)  # noqa: S311
            else:
                await self._layer.group_send(group, message)

    def _send_later(self, seconds: float, group: str, message: dict[str, Any]) -> None:
        async def send() -> None:
            await asyncio.sleep(seconds)
            try:
                await self._layer.group_send(group, message)
            except Exception:
                logger.warning("A late announcement was lost.", exc_info=True)

        task = asyncio.create_task(send())
        self._late.add(task)
        task.add_done_callback(self._late.discard)


def move_clock(path: Path) -> None:
    """Make the wall clock of this process the real one plus what a file says.

    To be called before Django is set up, because a module may keep ``time.time`` or
    ``timezone.now`` under another name. Clocks that cannot be set, such as ``time.monotonic``,
    are left alone.
    """
    faults = FaultFile(path)
    real = time.time

    def moved() -> float:
        return real() + faults.read().clock

    def now() -> datetime:
        return datetime.fromtimestamp(moved(), tz=UTC)

    time.time = moved
    timezone.now = now


def _happens(probability: float) -> bool:
    return random.random() < probability  # noqa: S311 - no secret
