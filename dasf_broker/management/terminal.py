"""Help for commands in a terminal: tables, progress, and ending on a signal."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import threading
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from django.core.management.base import OutputWrapper

from dasf_broker import database
from dasf_broker.runtime import current

#: Characters of a progress bar.
BAR = 30


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield the lines of a table: the headings, then each row, in columns."""
    widths = [max(map(len, column)) for column in zip(headings, *rows, strict=True)]
    for row in [headings, *rows]:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield "  ".join(cells).rstrip()


class Progress:
    """A progress bar; nothing is drawn if the stream is not a terminal.

    Parameters
    ----------
    stream
        Where the bar is drawn, if this is a terminal.
    label
        A name for the work.
    total
        The number of steps; if it is unknown, steps are only counted.
    """

    def __init__(self, stream: OutputWrapper, label: str, total: int | None = None) -> None:
        self._stream = stream if stream.isatty() else None
        self._label = label
        self._total = total
        self._done = 0

    def advance(self, steps: int = 1) -> None:
        """Add steps that are done."""
        self._done += steps
        self._draw(f"\r{self._label} {self._state()}")

    def finish(self) -> None:
        """Remove the bar."""
        self._draw("\r\x1b[K")

    def _state(self) -> str:
        if not self._total:
            return str(self._done)
        filled = BAR * min(self._done, self._total) // self._total
        return f"[{'#' * filled}{' ' * (BAR - filled)}] {self._done}/{self._total}"

    def _draw(self, text: str) -> None:
        if self._stream is not None:
            self._stream.write(text, style_func=str, ending="")
            self._stream.flush()


def run_until_ended(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a coroutine in an event loop of its own until it is done, Ctrl-C or SIGTERM.

    The signals cancel it; this is the normal way to end it, and no error.
    """
    try:
        asyncio.run(_until_ended(work))
    finally:
        database.close()


async def _until_ended(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    task = asyncio.create_task(work())
    try:
        with _signals_cancel(task), contextlib.suppress(asyncio.CancelledError):
            await task
    finally:
        await current().close_hub()


@contextmanager
def _signals_cancel(task: asyncio.Task[None]) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may handle signals
        return
    loop = asyncio.get_running_loop()

    def end(*_: object) -> None:
        loop.call_soon_threadsafe(task.cancel)

    # Not `add_signal_handler`, which Windows does not have.
    before = {each: signal.signal(each, end) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
