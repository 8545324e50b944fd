"""Log the beginning and the end of an outage, not each failure in between."""

from __future__ import annotations

import logging
import sys
import threading
import time
from uuid import uuid4


def new_log_id() -> str:
    """Return a new id, by which the answer to a client names lines of the log."""
    return uuid4().hex[:12]


class OutageLog:
    """Tells whether a repeated activity works at the moment, and logs changes.

    Parameters
    ----------
    logger
        The logger to use.
    what
        The activity, as the subject of a sentence.
    """

    def __init__(self, logger: logging.Logger, what: str) -> None:
        self._logger = logger
        self._what = what
        self._since: float | None = None

    def failed(self) -> None:
        """Record a failure; call it in the handler of the exception.

        An exception that has a log id was logged already, by the part that failed itself.
        """
        cause = sys.exception()
        if self._since is None and getattr(cause, "log_id", None) is None:
            self._since = time.monotonic()
            self._logger.warning("%s failed; it is tried again.", self._what, exc_info=cause)

    def recovered(self) -> None:
        """Record a success."""
        if self._since is not None:
            seconds = time.monotonic() - self._since
            self._since = None
            self._logger.warning("%s works again, after %.1f s.", self._what, seconds)


class RepeatLog:
    """Logs texts that come again and again: each of them once in a while, with an id.

    Parameters
    ----------
    logger
        The logger to use.
    what
        What happens, as the beginning of a line.
    seconds
        How long a text is not logged again.
    """

    #: Most texts that are known at a time.
    MAX_TEXTS = 100

    def __init__(self, logger: logging.Logger, what: str, *, seconds: float) -> None:
        self._logger = logger
        self._what = what
        self._seconds = seconds
        self._known: dict[str, tuple[str, float]] = {}

    def note(self, text: str) -> str:
        """Return the id under which the log has a text."""
        now = time.monotonic()
        log_id, logged = self._known.get(text, ("", 0.0))
        if log_id and now - logged < self._seconds:
            return log_id
        log_id = new_log_id()
        if len(self._known) >= self.MAX_TEXTS:
            self._known.clear()
        self._known[text] = log_id, now
        self._logger.warning("%s (log id %s): %s", self._what, log_id, text)
        return log_id


class SharedOutageLog:
    """The same for what several activities need, in any thread: an outage of theirs has an id.

    It begins when one of them fails, and ends when each of them has worked again. Another cause
    is logged as well, each of them once.

    Parameters
    ----------
    logger
        The logger to use.
    what
        What fails, as the subject of a sentence.
    quiet
        Seconds after the last failure in which a success is not the end.
    """

    #: Most causes of one outage that are logged.
    MAX_CAUSES = 10

    def __init__(self, logger: logging.Logger, what: str, *, quiet: float) -> None:
        self._logger = logger
        self._what = what
        self._quiet = quiet
        self._lock = threading.Lock()
        #: The id of the outage; empty if there is none.
        self._log_id = ""
        self._begun = self._last = 0.0
        self._failing: set[str] = set()
        self._causes: set[str] = set()

    def failed(self, activity: str, kind: str, cause: str) -> str:
        """Record that an activity failed.

        Parameters
        ----------
        activity
            What was done, like ``reading``.
        kind
            The kind of the cause: two causes of one kind are the same.
        cause
            The cause, for the log.

        Returns
        -------
        str
            The id under which the log has it.
        """
        with self._lock:
            self._last = time.monotonic()
            is_first = not self._log_id
            if is_first:
                self._log_id, self._begun = new_log_id(), self._last
            self._failing.add(activity)
            if kind not in self._causes and len(self._causes) < self.MAX_CAUSES:
                self._causes.add(kind)
                verb = "failed" if is_first else "still fails, now"
                self._logger.warning(
                    "%s %s while %s (log id %s): %s",
                    *(self._what, verb, activity, self._log_id, cause),
                )
            return self._log_id

    def recovered(self, activity: str) -> None:
        """Record that an activity worked."""
        if not self._log_id:  # without the lock: this is called all the time
            return
        with self._lock:
            if self._log_id and time.monotonic() - self._last >= self._quiet:
                self._failing.discard(activity)
                if not self._failing:
                    self._end()

    def _end(self) -> None:
        seconds = time.monotonic() - self._begun
        self._logger.warning(
            "%s works again, after %.1f s (log id %s).", self._what, seconds, self._log_id
        )
        self._log_id = ""
        self._causes.clear()
