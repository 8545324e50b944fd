"""Pauses of a busy event loop, so that its threads get to run.

A thread that reads the database needs the interpreter some dozens of times. A loop that is always
busy passes it on only every 5 ms (``sys.getswitchinterval``), and a read that takes half a
millisecond would take half a second. So a loop that is late, and whose threads have something to
do, sleeps for a moment. Nothing of it concerns the rest of the process.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable

#: Seconds between two looks at the loop, as long as threads work for it.
INTERVAL = 0.001

#: Seconds: a loop whose look is later than this is busy.
LATE = 0.001

#: Seconds of a pause, at least.
PAUSE = 0.0005

#: Seconds that a pause takes at most where the machine has time. Where it has too much to do, half
#: a millisecond may become ten: a loop that paused again at once would hardly work at all.
LONG = 0.001

#: How many times as long as such a pause a loop works before the next one.
WORK = 10

#: A switch interval of Python's, in seconds, with which threads get to run without pauses.
SHORT_INTERVAL = 0.001


class Pauses:
    """The pauses of one event loop.

    Parameters
    ----------
    is_needed
        Tells whether a thread has something to do for the loop.
    """

    def __init__(self, is_needed: Callable[[], bool]) -> None:
        self._is_needed = is_needed
        self._is_looking = False
        #: When the loop may pause again.
        self._next = 0.0
        #: How many there were.
        self.count = 0

    def begin(self) -> None:
        """Look after the running loop as long as it is needed."""
        if not self._is_looking and sys.getswitchinterval() > SHORT_INTERVAL:
            self._is_looking = True
            self._look_later(asyncio.get_running_loop())

    def _look_later(self, loop: asyncio.AbstractEventLoop) -> None:
        due = loop.time() + INTERVAL
        loop.call_at(due, self._look, loop, due)

    def _look(self, loop: asyncio.AbstractEventLoop, due: float) -> None:
        if not self._is_needed():
            self._is_looking = False
            return
        began = loop.time()
        if began - due > LATE and began >= self._next:
            self.count += 1
            time.sleep(PAUSE)
            ended = loop.time()
            if (took := ended - began) > LONG:
                self._next = ended + WORK * took
        self._look_later(loop)
