"""A subscriber's messages as an asynchronous iterator, fed by a task of its own.

An asynchronous generator alone would end for good when a caller cancels one ``anext``
(``asyncio.wait_for``), and could not free its resources when a caller leaves a loop with ``break``.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, suppress
from types import TracebackType
from typing import Generic, Self, TypeVar

T = TypeVar("T")


class Stream(AsyncIterator[T], Generic[T]):
    """An asynchronous iterator that you can close: with :meth:`aclose`, or as a context manager.

    It begins with the first ``anext``. A subscription that is not closed ends when no code refers
    to it any more.

    Parameters
    ----------
    source
        Yields the items.
    """

    def __init__(self, source: AsyncGenerator[T, None]) -> None:
        self._source = source
        #: At most one item waits here: the others wait in the mailbox, which is bounded.
        self._queue: asyncio.Queue[T | _End] = asyncio.Queue(maxsize=1)
        self._task: asyncio.Task[None] | None = None

    async def __anext__(self) -> T:
        if self._task is None:
            self._task = asyncio.create_task(_pass_on(self._source, self._queue))
        item = await self._queue.get()
        if isinstance(item, _End):
            self._queue.put_nowait(item)
            raise item.reason
        return item

    async def aclose(self) -> None:
        """End the subscription."""
        if self._task is None:  # it never began; a later ``anext`` finds the source closed
            await self._source.aclose()
            return
        self._task.cancel()
        await asyncio.wait([self._task])
        with suppress(asyncio.QueueEmpty):
            self._queue.get_nowait()
        self._queue.put_nowait(_End(StopAsyncIteration()))

    async def __aenter__(self) -> Self:
        """Return the stream, which is closed at the end of the context."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the stream."""
        await self.aclose()

    def __del__(self) -> None:
        if self._task is not None and not self._task.done():
            with suppress(RuntimeError):  # the loop is closed, and with it the task
                self._task.get_loop().call_soon_threadsafe(self._task.cancel)


class _End:
    """The source has ended."""

    def __init__(self, reason: Exception) -> None:
        self.reason = reason


async def _pass_on(source: AsyncGenerator[T, None], queue: asyncio.Queue[T | _End]) -> None:
    # Not a method: a method refers to the stream, which would then never be freed.
    try:
        async with aclosing(source):
            async for item in source:
                await queue.put(item)
    except Exception as error:  # noqa: BLE001 - it is raised where the subscriber waits
        await queue.put(_End(error))
    else:
        await queue.put(_End(StopAsyncIteration()))
