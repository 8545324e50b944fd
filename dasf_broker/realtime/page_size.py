"""Read missing messages in pages whose size depends on the size of the messages."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

from dasf_broker.domain.events import MessagePublished, weight

#: Bytes of messages that one reader holds at a time, roughly.
TARGET = 512 * 1024


class PageSize:
    """The size of the next page: it begins small, and depends on the bytes of the last page.

    Parameters
    ----------
    most
        Rows of the largest page.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self.rows = min(most, 4)

    def note(self, page: Sequence[MessagePublished]) -> None:
        """Adapt the size to a page that was read."""
        if not page:
            return
        mean = sum(weight(message) for message in page) / len(page)
        self.rows = max(1, min(self._most, self.rows * 4, int(TARGET / mean)))


async def read_missing(
    load: Callable[[int, int], Awaitable[Sequence[MessagePublished]]], position: int, *, most: int
) -> AsyncIterator[MessagePublished]:
    """Yield the stored messages of a topic behind a position, up to the newest.

    Parameters
    ----------
    load
        Reads messages behind a sequence in order, at most so many.
    position
        The sequence behind which to begin.
    most
        Rows of the largest page.
    """
    size = PageSize(most)
    while True:
        rows = size.rows
        page = await load(position, rows)
        for message in page:
            assert message.sequence is not None
            position = message.sequence
            yield message
        if len(page) < rows:
            return
        size.note(page)
