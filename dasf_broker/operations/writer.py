"""Group commit: what concurrent callers want to write becomes one transaction.

While one batch is being committed the next one gathers, so that the cost of a commit is shared
by as many callers as there are, and a single caller waits for nobody.
"""

from __future__ import annotations

import asyncio
import logging
import time
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from dasf_broker import app_settings, database
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
from dasf_broker.realtime.channel_layer import at_home

logger = logging.getLogger(__name__)

#: Items of one transaction, unless one caller brings more by itself.
BATCH = 500

#: Seconds after which a waiting caller is told at once that the database does not answer, when
#: a batch before theirs found out. Their own try could take as long as that one did.
PATIENCE = 1.5

Item = TypeVar("Item")
Result = TypeVar("Result")


class GroupCommit(Generic[Item, Result]):
    """Gathers the items of concurrent callers and hands them to a batch operation.

    Parameters
    ----------
    operation
        Takes items and returns, for each in order, its result or its error.
    """

    def __init__(self, operation: Callable[[Sequence[Item]], list[Result | BrokerError]]) -> None:
        self._operation = operation
        self._waiting: deque[_Request[Item, Result]] = deque()
        self._size = 0
        self._task: asyncio.Task[None] | None = None

    async def __call__(self, items: Sequence[Item]) -> list[Result | BrokerError]:
        """Write the items; they stay together and in order.

        Raises
        ------
        UnavailableError
            Too much is waiting to be written already, or the database does not answer.
        """
        if self._size + len(items) > app_settings.DASF_WRITER_QUEUE:
            raise UnavailableError("The broker has more to write than it can; try again later.")
        request: _Request[Item, Result] = _Request(
            items, asyncio.get_running_loop().create_future(), time.monotonic()
        )
        self._waiting.append(request)
        self._size += len(items)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._drain(), name="dasf-writer")
        return await request.outcomes

    async def one(self, item: Item) -> Result:
        """Write one item and raise its error, if it has one."""
        [outcome] = await self([item])
        if isinstance(outcome, BrokerError):
            raise outcome
        return outcome

    async def _drain(self) -> None:
        while self._waiting:
            batch = self._next_batch()
            try:
                await self._commit(batch)
            except UnavailableError as error:
                _fail([*batch, *self._take_waiting_since(time.monotonic() - PATIENCE)], error)
            except Exception as error:
                logger.exception("A batch of %d requests failed.", len(batch))
                if len(batch) == 1:
                    _fail(batch, error)
                else:
                    await self._commit_one_by_one(batch)

    def _next_batch(self) -> list[_Request[Item, Result]]:
        batch = [self._waiting.popleft()]
        size = len(batch[0].items)
        while self._waiting and size + len(self._waiting[0].items) <= BATCH:
            batch.append(self._waiting.popleft())
            size += len(batch[-1].items)
        self._size -= size
        return batch

    def _take_waiting_since(self, moment: float) -> list[_Request[Item, Result]]:
        taken = []
        while self._waiting and self._waiting[0].since < moment:
            taken.append(self._waiting.popleft())
            self._size -= len(taken[-1].items)
        return taken

    async def _commit(self, batch: Sequence[_Request[Item, Result]]) -> None:
        items = [item for request in batch for item in request.items]
        outcomes = iter(await database.write(self._operation, items))
        for request in batch:
            own = [next(outcomes) for _ in request.items]
            if not request.outcomes.done():  # whoever asked may have gone
                request.outcomes.set_result(own)

    async def _commit_one_by_one(self, batch: Sequence[_Request[Item, Result]]) -> None:
        # One of them breaks the transaction: find it, so that its neighbours do not suffer.
        for index, request in enumerate(batch):
            try:
                await self._commit([request])
            except UnavailableError as error:
                _fail(batch[index:], error)
                return
            except Exception as error:  # noqa: BLE001 - it is told to who asked
                _fail([request], error)


@dataclass(frozen=True, slots=True)
class _Request(Generic[Item, Result]):
    items: Sequence[Item]
    outcomes: asyncio.Future[list[Result | BrokerError]]
    since: float


class Writer:
    """What one event loop writes."""

    def __init__(self) -> None:
        at_home()
        self.publish: GroupCommit[Publication, Published] = GroupCommit(publish_batch)
        self.acknowledge: GroupCommit[Acknowledging, Acknowledged] = GroupCommit(acknowledge_batch)

    async def acknowledge_up_to(self, caller: Caller, slug: str, cursor: str) -> int:
        """Do as :func:`.acknowledge.acknowledge_up_to`, step by step between other writes."""
        total, position = 0, 0
        while page := await database.read(outstanding_up_to, caller, slug, cursor, position):
            total += count_fresh(await self.acknowledge([item for _, item in page]))
            position = page[-1][0]
        return total


_writers: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Writer] = weakref.WeakKeyDictionary()


def get_writer() -> Writer:
    """Return the writer of the running event loop."""
    loop = asyncio.get_running_loop()
    if loop not in _writers:
        _writers[loop] = Writer()
    return _writers[loop]


def _fail(batch: Sequence[_Request[Item, Result]], error: Exception) -> None:
    for request in batch:
        if not request.outcomes.done():
            request.outcomes.set_exception(error)
