"""Log the beginning and the end of an outage, not each failure in between."""

from __future__ import annotations

import logging
import sys
import time


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
        """Record a failure; call it in the handler of the exception."""
        if self._since is None:
            self._since = time.monotonic()
            cause = sys.exception()
            self._logger.warning("%s failed; it is tried again.", self._what, exc_info=cause)

    def recovered(self) -> None:
        """Record a success."""
        if self._since is not None:
            seconds = time.monotonic() - self._since
            self._since = None
            self._logger.warning("%s works again, after %.1f s.", self._what, seconds)
