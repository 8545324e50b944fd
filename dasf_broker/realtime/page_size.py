"""How many rows to read at a time, so that large messages cost no more memory than small ones."""

from __future__ import annotations

from collections.abc import Collection

from dasf_broker.domain.events import MessagePublished, weight

#: Bytes of messages that one reader holds at a time, roughly.
TARGET = 512 * 1024


class Pace:
    """The size of the next page: begins small, and follows the size of what was read.

    Parameters
    ----------
    most
        Rows of the largest page.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self.rows = min(most, 4)

    def note(self, page: Collection[MessagePublished]) -> None:
        """Learn from a page."""
        if not page:
            return
        mean = sum(weight(message) for message in page) / len(page)
        self.rows = max(1, min(self._most, self.rows * 4, int(TARGET / mean)))
