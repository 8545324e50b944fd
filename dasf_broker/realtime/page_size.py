"""Read missing messages in pages that are bounded in number and in bytes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import cast

from dasf_broker.domain.events import MessagePublished

#: Messages of a page, at most.
PAGE = 200

#: Bytes of the large messages of a page, at most: one reader holds as many at a time. A single
#: message may have more.
PAGE_BYTES = 512 * 1024


@dataclass(frozen=True, slots=True)
class MissingPage:
    """A page of stored messages, in order."""

    messages: Sequence[MessagePublished]
    #: Whether there were no more messages behind it.
    is_last: bool
    #: Up to this sequence the retention removed messages, or a user did; read after the page.
    expired: int = 0


async def read_missing(
    load: Callable[[int], Awaitable[MissingPage]], position: int
) -> AsyncIterator[MessagePublished]:
    """Yield the stored messages of a topic behind a position, up to the newest.

    Parameters
    ----------
    load
        Reads a page of messages behind a sequence.
    position
        The sequence behind which to begin.
    """
    while True:
        page = await load(position)
        for message in page.messages:
            position = cast("int", message.sequence)
            yield message
        if page.is_last:
            return
