"""The bounded queue between the hub and one subscriber."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

from dasf_broker.domain.events import Event, MessagePublished, weight

T = TypeVar("T")

#: Bytes of results that are kept with an event, besides several times its own.
RESULTS = 16 * 1024

#: How often: a result may contain the body several times.
RESULTS_PER_BYTE = 8


class Results(dict[Any, Any]):
    """What subscribers made from an event, for the next ones; of too many, the oldest is dropped.

    Parameters
    ----------
    room
        The bytes of texts to keep.
    """

    __slots__ = ("_room",)

    def __init__(self, room: int) -> None:
        super().__init__()
        self._room = room

    def keep(self, key: Any, text: str) -> None:
        """Keep a text, if there is room for it."""
        self.pop(key, None)
        self[key] = text
        self._room -= len(text)
        while self._room < 0 and self:
            dropped = self.pop(next(iter(self)))
            self._room += len(dropped) if isinstance(dropped, str) else 0


@dataclass(slots=True)
class Delivery:
    """An event on its way from the hub to a door, shared by the subscribers of this process."""

    event: Event
    #: How many messages of a topic that stores nothing were lost right before this one, because
    #: a subscriber was too slow. Then the delivery is not shared.
    missed: int = 0
    #: Values that a subscriber made from the event (a frame, a result), for the next subscribers.
    memo: Results = field(init=False, compare=False)
    #: About how many bytes the delivery takes.
    weight: int = field(init=False)
    #: Whether a subscriber that misses the event can read it from the database.
    is_stored: bool = field(init=False)

    def __post_init__(self) -> None:
        event = self.event
        self.weight = weight(event)
        self.memo = Results(RESULTS + RESULTS_PER_BYTE * self.weight)
        self.is_stored = isinstance(event, MessagePublished) and event.sequence is not None

    @property
    def message(self) -> MessagePublished:
        """The event, if it is a message."""
        return cast("MessagePublished", self.event)

    def made(self, make: Callable[[Any], T]) -> T:
        """Return the result of ``make`` for the event, computed once for all subscribers."""
        found = self.memo.get(make)
        if found is None:
            found = self.memo[make] = make(self.event)
        return cast("T", found)


class Mailbox:
    """Deliveries that wait for one subscriber.

    It holds a bounded number of deliveries and of bytes, however slow the subscriber is. If a
    stored message arrives when it is full, it is emptied: the subscriber *lags* and reads the
    database from its own position, which costs no memory. If any other event arrives when it is
    full, the oldest delivery is dropped and counted in ``missed``.

    Only the event loop of the hub may use it.

    Parameters
    ----------
    kinds
        The events that the subscriber wants.
    bound, most_bytes
        How many deliveries and bytes may wait. A single delivery may be larger.
    """

    def __init__(self, kinds: frozenset[type[Event]], bound: int, most_bytes: int) -> None:
        self.kinds = kinds
        self.missed = 0
        self.lagging = False
        #: Whether the subscriber is told of messages that were removed before it received them.
        self.must_be_complete = False
        self._bound = bound
        self._most_bytes = most_bytes
        self._deliveries: deque[Delivery] = deque()
        self._weight = 0
        self._waiter: asyncio.Future[None] | None = None
        self._failure: Exception | None = None
        self._is_over = False

    def __len__(self) -> int:
        return len(self._deliveries)

    def put(self, delivery: Delivery) -> None:
        """Add a delivery; never waits, never grows beyond the bounds."""
        is_stored = delivery.is_stored
        if self._is_over or (is_stored and self.lagging):
            return
        while self._deliveries and not self._has_room_for(delivery):
            self._make_room(for_stored=is_stored)
        if not self.lagging or not is_stored:
            self._deliveries.append(delivery)
            self._weight += delivery.weight
        self._wake()

    def miss(self, count: int) -> None:
        """Count deliveries that were lost before they arrived here."""
        self.missed += count

    def fail(self, failure: Exception, *, at_once: bool = False) -> None:
        """End the subscription: deliver waiting events first, then raise ``failure``.

        Parameters
        ----------
        failure
            The exception to raise.
        at_once
            Deliver nothing any more, not even events that wait or are read from the database.
        """
        self._failure = failure
        self._is_over = self._is_over or at_once
        if at_once:
            self._keep([])
        self._wake()

    def check(self) -> None:
        """Raise the failure if nothing may be delivered any more.

        Call it before you deliver anything that does not come from this mailbox.
        """
        if self._is_over and self._failure is not None:
            raise self._failure

    def lag(self) -> None:
        """Let the subscriber read stored messages from the database, from its own position."""
        if not self._is_over:
            self._keep([each for each in self._deliveries if not each.is_stored])
            self.lagging = True
            self._wake()

    def catch_up(self) -> None:
        """Stop lagging: keep deliveries from now on; older ones are read from the database."""
        self.lagging = False

    def with_missed(self, delivery: Delivery) -> Delivery:
        """Return a delivery with the number of lost ones before it, since the last call."""
        if not self.missed:
            return delivery
        missed, self.missed = self.missed, 0
        return Delivery(delivery.event, missed)

    def take(self) -> Delivery | None:
        """Return the next delivery if one is waiting."""
        return self._take_oldest() if self._deliveries else None

    async def get(self) -> Delivery | None:
        """Wait for the next delivery; ``None`` means that the subscriber lags.

        Raises
        ------
        Exception
            The failure of :meth:`fail`, once the mailbox is empty.
        """
        while not self._deliveries:
            if self._failure is not None:
                raise self._failure
            if self.lagging:
                return None
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        return self._take_oldest()

    def _has_room_for(self, delivery: Delivery) -> bool:
        return (
            len(self._deliveries) < self._bound
            and self._weight + delivery.weight <= self._most_bytes
        )

    def _make_room(self, *, for_stored: bool) -> None:
        if for_stored:
            self.missed += sum(not waiting.is_stored for waiting in self._deliveries)
            self._keep([])
            self.lagging = True
        elif self._take_oldest().is_stored:
            # A gap among stored messages would be silent, so all of them are read again.
            self._keep([each for each in self._deliveries if not each.is_stored])
            self.lagging = True
        else:
            self.missed += 1

    def _take_oldest(self) -> Delivery:
        delivery = self._deliveries.popleft()
        self._weight -= delivery.weight
        return delivery

    def _keep(self, deliveries: Collection[Delivery]) -> None:
        self._deliveries = deque(deliveries)
        self._weight = sum(each.weight for each in deliveries)

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
