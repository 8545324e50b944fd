"""Log that something fails when it begins and when it ends, not each time in between."""

from __future__ import annotations

import logging
import sys
import time


class OutageLog:
    """Whether something that is tried over and over works at the moment.

    Parameters
    ----------
    logger
        Where it is logged.
    what
        What fails, and what that means, as the beginning of a sentence.
    """

    def __init__(self, logger: logging.Logger, what: str) -> None:
        self._logger = logger
        self._what = what
        self._since: float | None = None

    def failed(self) -> None:
        """Note a failure; to be called where the exception is handled."""
        if self._since is None:
            self._since = time.monotonic()
            cause = sys.exception()
            self._logger.warning("%s failed; it is tried again.", self._what, exc_info=cause)

    def recovered(self) -> None:
        """Note that it works."""
        if self._since is not None:
            seconds = time.monotonic() - self._since
            self._since = None
            self._logger.warning("%s works again, after %.1f s.", self._what, seconds)
