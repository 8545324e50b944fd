"""Complete the items of a list in turns with everything else in the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable, Iterator
from typing import Any

from graphql.pyutils import gather_with_cancel

from dasf_broker.concurrency.turns import Turns

#: Turns of the event loop until all resolvers of an item have begun: one for each level of fields.
LEVELS = 10


class WaitingLists:
    """The lists of one execution that wait for a turn.

    What their items load is read together, and so only when all lists are complete.
    """

    def __init__(self, turns: Turns) -> None:
        self._turns = turns
        self._count = 0

    async def wait(self) -> None:
        """Wait for a turn, as a list of this execution."""
        self._count += 1
        try:
            await self._turns.wait()
        finally:
            self._count -= 1

    async def done(self) -> None:
        """Wait until no list waits."""
        while self._count:
            await self._turns.wait()
            if not self._count:  # the items of the last list are tasks that have not begun yet
                for _ in range(LEVELS):
                    await asyncio.sleep(0)


class LongList:
    """A list whose items are being completed. See :mod:`dasf_broker.concurrency.turns`.

    Parameters
    ----------
    executor
        Completes each item; it counts the fields.
    turns
        Those of the running event loop.
    waiting
        The lists of the execution.
    items
        The values that the resolver returned.
    path
        The path of the list in the result.
    arguments
        What graphql-core passes to the completion of an item: its type, the selected fields and
        ``info``; and the context of its position.
    """

    def __init__(
        self,
        executor: Any,
        turns: Turns,
        waiting: WaitingLists,
        items: Iterable[Any],
        path: Any,
        *arguments: Any,
    ) -> None:
        self._executor = executor
        self._turns = turns
        self._waiting = waiting
        self._rest: Iterator[tuple[int, Any]] = enumerate(items)
        self._path = path
        self._arguments = arguments
        self._completed: list[Any] = []
        #: The indices of items that are still awaitables.
        self._awaitable: list[int] = []

    def complete(self) -> list[Any] | Awaitable[list[Any]]:
        """Return the items, or an awaitable of them."""
        if not self._complete_in_turn():
            return self._complete_in_turns()
        return self._awaited() if self._awaitable else self._completed

    def _complete_in_turn(self) -> bool:
        """Complete the items that fit into this turn; return whether these were all."""
        try:
            while not self._turns.is_over(self._executor.take_count()):
                if (found := next(self._rest, None)) is None:
                    return True
                self._complete_item(*found)
        except Exception:
            self._settle()
            raise
        return False

    def _complete_item(self, index: int, item: Any) -> None:
        *arguments, position = self._arguments
        given = (*arguments, self._path.add_key(index, None), position)
        if self._executor.is_awaitable(item):
            later = self._executor.complete_awaitable_list_item_value(item, *given)
            self._completed.append(later)
            self._awaitable.append(index)
        elif self._executor.complete_list_item_value(item, self._completed, *given):
            self._awaitable.append(index)

    async def _complete_in_turns(self) -> list[Any]:
        try:
            await self._waiting.wait()
            while not self._complete_in_turn():
                await self._waiting.wait()
        except asyncio.CancelledError:
            self._settle()
            raise
        return await self._awaited()

    async def _awaited(self) -> list[Any]:
        values = await gather_with_cancel(*self._awaitables())
        for index, value in zip(self._awaitable, values, strict=True):
            self._completed[index] = value
        return self._completed

    def _settle(self) -> None:
        """Let awaitables end that nobody will await; they would be reported otherwise."""
        rest = [item for _, item in self._rest if self._executor.is_awaitable(item)]
        if waiting := [*self._awaitables(), *rest]:
            self._executor.settle_in_background(waiting)

    def _awaitables(self) -> list[Any]:
        return [self._completed[index] for index in self._awaitable]
