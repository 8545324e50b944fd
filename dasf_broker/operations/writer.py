"""Group commit: what concurrent callers want to write becomes one transaction.

While one batch is being committed the next one gathers, so that the cost of a commit is shared
by as many callers as there are, and a single caller waits for nobody. A caller who goes away
takes nothing back: what the broker was given, it writes.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar

from dasf_broker import app_settings, database
from dasf_broker.concurrency.futures import answer, fail, in_time
from dasf_broker.concurrency.loop_local import PerLoop
from dasf_broker.domain.envelope import content_size
from dasf_broker.exceptions import BrokerError, UnavailableError
from dasf_broker.operations.acknowledge import (
    Acknowledged,
    Acknowledging,
    acknowledge_batch,
    count_fresh,
    outstanding_up_to,
)
from dasf_broker.operations.caller import Caller
from dasf_broker.operations.publish import Publication, Published, publish_batch
from dasf_broker.operations.rate_limits import refused_publications
from dasf_broker.realtime.announcer import at_home

logger = logging.getLogger(__name__)

#: Items of one transaction, unless one caller brings more by itself.
BATCH = 500

#: Bytes of one transaction, with the same exception.
BATCH_BYTES = 16 * 1024 * 1024

#: Bytes that a small item is taken for: an acknowledgement, or a message without its content.
ITEM_BYTES = 500

Item = TypeVar("Item")
Result = TypeVar("Result")


def _same_for_all(_: object) -> int:
    return ITEM_BYTES


class GroupCommit(Generic[Item, Result]):
    """Gathers the items of concurrent callers and hands them to a batch operation.

    Parameters
    ----------
    operation
        Takes items and returns, for each in order, its result or its error.
    weigh
        Says how many bytes an item takes, about.
    """

    def __init__(
        self,
        operation: Callable[[Sequence[Item]], list[Result | BrokerError]],
        weigh: Callable[[Item], int] = _same_for_all,
    ) -> None:
        self._operation = operation
        self._weigh = weigh
        # The event loop puts requests in and takes late ones out; the writing thread takes the
        # next batch only when it begins, so that nothing is stuck in a batch that waits.
        self._lock = threading.Lock()
        self._waiting: deque[_Request[Item, Result]] = deque()
        self._items = 0
        self._bytes = 0
        self._task: asyncio.Task[None] | None = None
        self._is_closed = False

    async def __call__(self, items: Sequence[Item]) -> list[Result | BrokerError]:
        """Write the items; they stay together and in order.

        Raises
        ------
        UnavailableError
            Too much is waiting to be written already, or the database does not answer within
            ``DASF_DATABASE_TIMEOUT``. The text says whether it may have been written.
        """
        loop = asyncio.get_running_loop()
        weight = sum(map(self._weigh, items))
        request: _Request[Item, Result] = _Request(items, weight, loop.create_future())
        self._put(request)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._drain(), name="dasf-writer")
        late = partial(self._give_up, request)
        return await in_time(request.outcomes, app_settings.DASF_DATABASE_TIMEOUT, late)

    async def one(self, item: Item) -> Result:
        """Write one item and raise its error, if it has one."""
        [outcome] = await self([item])
        if isinstance(outcome, BrokerError):
            raise outcome
        return outcome

    async def close(self) -> None:
        """Refuse what comes from now on; wait until what came before is written."""
        self._is_closed = True
        if self._task is not None:
            await asyncio.wait([self._task])

    # --- the queue ----------------------------------------------------------------------------

    def _put(self, request: _Request[Item, Result]) -> None:
        if self._is_closed:
            raise UnavailableError("The server is going down; try again in a moment.")
        with self._lock:
            items, size = self._items + len(request.items), self._bytes + request.weight
            # One that is larger by itself than all that may wait is let in when nothing does.
            is_heavy = size > app_settings.DASF_WRITER_BYTES and self._waiting
            if items > app_settings.DASF_WRITER_QUEUE or is_heavy:
                raise UnavailableError("The broker has more to write than it can; try again later.")
            self._waiting.append(request)
            self._items, self._bytes = items, size

    def _take(self) -> list[_Request[Item, Result]]:
        batch: list[_Request[Item, Result]] = []
        items = size = 0
        with self._lock:
            while self._waiting:
                first = self._waiting[0]
                items, size = items + len(first.items), size + first.weight
                if batch and (items > BATCH or size > BATCH_BYTES):
                    break
                batch.append(self._waiting.popleft())
                self._forget(first)
        return batch

    def _forget(self, request: _Request[Item, Result]) -> None:
        self._items -= len(request.items)
        self._bytes -= request.weight

    def _give_up(self, request: _Request[Item, Result]) -> UnavailableError:
        with self._lock:
            if request not in self._waiting:
                return database.perhaps_done()
            self._waiting.remove(request)
            self._forget(request)
        return database.not_done()

    # --- writing ------------------------------------------------------------------------------

    async def _drain(self) -> None:
        while self._waiting:
            batch: list[_Request[Item, Result]] = []
            try:
                outcomes = await database.hand_over(self._write_next, batch)
            except UnavailableError as error:
                _fail(batch, error)
            except Exception as error:
                logger.exception("A batch of %d requests failed.", len(batch))
                if len(batch) == 1:
                    _fail(batch, error)
                else:
                    await self._write_one_by_one(batch)
            else:
                _answer(batch, outcomes)

    def _write_next(self, batch: list[_Request[Item, Result]]) -> list[Result | BrokerError]:
        # In the writing thread. Who waits for us learns from `batch` what was taken.
        batch += self._take()
        items = [item for request in batch for item in request.items]
        return self._operation(items) if items else []

    async def _write_one_by_one(self, batch: Sequence[_Request[Item, Result]]) -> None:
        # One of them breaks the transaction: find it, so that its neighbours do not suffer.
        for index, request in enumerate(batch):
            try:
                outcomes = await database.hand_over(self._operation, request.items)
            except UnavailableError as error:
                _fail(batch[index:], error)
                return
            except Exception as error:  # noqa: BLE001 - it is told to who asked
                _fail([request], error)
            else:
                _answer([request], outcomes)


@dataclass(frozen=True, slots=True, eq=False)
class _Request(Generic[Item, Result]):
    items: Sequence[Item]
    weight: int
    outcomes: asyncio.Future[list[Result | BrokerError]]


class _Publishing(GroupCommit[Publication, Published]):
    """Publishes what the rates allow: here, because all doors come by."""

    async def __call__(self, items: Sequence[Publication]) -> list[Published | BrokerError]:
        """Publish; what is too much has its error, and fails no other."""
        refused = await refused_publications(items)
        if not refused:
            return await super().__call__(items)
        allowed = [item for index, item in enumerate(items) if index not in refused]
        outcomes = iter(await super().__call__(allowed) if allowed else ())
        return [
            refused[index] if index in refused else next(outcomes) for index in range(len(items))
        ]


class Writer:
    """What one event loop writes."""

    def __init__(self) -> None:
        at_home()
        self.publish: GroupCommit[Publication, Published] = _Publishing(
            publish_batch, _weigh_message
        )
        self.acknowledge: GroupCommit[Acknowledging, Acknowledged] = GroupCommit(acknowledge_batch)

    async def acknowledge_up_to(self, caller: Caller, slug: str, cursor: str) -> int:
        """Do as :func:`.acknowledge.acknowledge_up_to`, step by step between other writes."""
        total, position = 0, 0
        while page := await database.read(outstanding_up_to, caller, slug, cursor, position):
            total += count_fresh(await self.acknowledge([item for _, item in page]))
            position = page[-1][0]
        return total

    async def close(self) -> None:
        """Refuse what comes from now on; wait until what came before is written."""
        await asyncio.gather(self.publish.close(), self.acknowledge.close())


_writers = PerLoop(Writer)


def get_writer() -> Writer:
    """Return the writer of the running event loop."""
    return _writers.get()


async def close_writer() -> None:
    """Close the writer of the running event loop, if it has one."""
    if (writer := _writers.take()) is not None:
        await writer.close()


def _weigh_message(publication: Publication) -> int:
    return ITEM_BYTES + content_size(publication.envelope.content)


def _answer(
    batch: Sequence[_Request[Item, Result]], outcomes: Sequence[Result | BrokerError]
) -> None:
    following = iter(outcomes)
    for request in batch:
        answer(request.outcomes, [next(following) for _ in request.items])


def _fail(batch: Sequence[_Request[Item, Result]], error: Exception) -> None:
    for request in batch:
        fail(request.outcomes, error)
