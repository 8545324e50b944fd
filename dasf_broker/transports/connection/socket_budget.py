"""Limit the memory that the operations of one socket occupy: what they were sent, and results."""

from __future__ import annotations

import asyncio
from collections import deque
from sys import getsizeof
from typing import Any

from dasf_broker import app_settings
from dasf_broker.exceptions import BrokerError, PayloadTooLargeError, RateLimitedError

#: Results of the subscriptions of one socket that are rendered and sent at once. The next one is
#: rendered when the client has read one of them.
RESULTS = 4


class SocketBudget:
    """Counts the bytes that the operations of one socket occupy."""

    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held = 0

    def change(self, before: int, size: int) -> None:
        """Count an operation with another size than before.

        Raises
        ------
        PayloadTooLargeError
            The operation alone is larger than the budget.
        RateLimitedError
            The operation does not fit beside the others of the socket.
        """
        most = app_settings.DASF_MAX_SOCKET_BYTES
        if size > most:
            raise PayloadTooLargeError(
                f"An operation occupies at most {most} bytes of memory; send less in one."
            )
        if self._held - before + size > most:
            raise RateLimitedError(
                f"The operations of a socket occupy at most {most} bytes of memory, and the others "
                "leave too little for this one; complete one first.",
                limit=most,
            )
        self._held += size - before

    def hold(self, size: int) -> Held:
        """Count a new operation; raises as :meth:`change`."""
        self.change(0, size)
        return Held(self, size)

    def release(self, size: int) -> None:
        """Count the operation no more."""
        self._held -= size


class Held:
    """The bytes of one operation."""

    __slots__ = ("_budget", "_size")

    def __init__(self, budget: SocketBudget, size: int) -> None:
        self._budget = budget
        self._size = size

    def resize(self, size: int) -> None:
        """Count another size; nothing if it is refused. Raises as :meth:`SocketBudget.change`."""
        try:
            self._budget.change(self._size, size)
        except BrokerError:
            self.release()  # at once, so that there is room for the next one
            raise
        self._size = size

    def release(self, _: Any = None) -> None:
        """Count nothing any more: the operation has ended."""
        self._budget.release(self._size)
        self._size = 0


class ResultSlots:
    """The slots of one socket for results: from before they are rendered until they are sent.

    It is a semaphore whose use costs a delivery next to nothing while no task waits.
    """

    __slots__ = ("_free", "_waiting")

    def __init__(self, count: int = RESULTS) -> None:
        self._free = count
        self._waiting: deque[asyncio.Future[None]] = deque()

    def take(self) -> bool:
        """Take a slot if one is free; otherwise await :meth:`wait`."""
        if not self._free:
            return False
        self._free -= 1
        return True

    async def wait(self) -> None:
        """Wait for a slot, and take it."""
        slot = asyncio.get_running_loop().create_future()
        self._waiting.append(slot)
        try:
            await slot
        except asyncio.CancelledError:
            if slot.done() and not slot.cancelled():
                self.give_back()
            raise

    def give_back(self) -> None:
        """Free a slot; the next task takes it."""
        while self._waiting:
            slot = self._waiting.popleft()
            if not slot.done():
                slot.set_result(None)
                return
        self._free += 1


def memory_of(value: Any, most: int) -> int:
    """Return about how many bytes a JSON value occupies; stop counting above ``most``."""
    size, uncounted = 0, [value]
    while uncounted and size <= most:
        each = uncounted.pop()
        size += getsizeof(each)
        if isinstance(each, list):
            uncounted.extend(each)
        elif isinstance(each, dict):
            uncounted.extend(each)
            uncounted.extend(each.values())
    return size
