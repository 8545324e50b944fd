"""The bounded queue between the hub and one subscriber."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

from dasf_broker.domain.events import Event, MessagePublished, weight

T = TypeVar("T")


@dataclass(slots=True)
class Delivery:
    """An event on its way from the hub to a door, shared by the subscribers of this process."""

    event: Event
    #: How many messages of a topic that stores nothing were lost right before this one, because
    #: a subscriber was too slow. That subscriber's own delivery, then.
    missed: int = 0
    #: What a subscriber made of the event (a frame, a result), so that the next one need not.
    memo: dict[Any, Any] = field(default_factory=dict, compare=False)
    #: About how many bytes it takes.
    weight: int = field(init=False)
    #: Whether a subscriber who misses the event can read it from the database.
    is_stored: bool = field(init=False)

    def __post_init__(self) -> None:
        event = self.event
        self.weight = weight(event)
        self.is_stored = isinstance(event, MessagePublished) and event.sequence is not None

    @property
    def message(self) -> MessagePublished:
        """The event, where it is a message."""
        assert isinstance(self.event, MessagePublished)
        return self.event

    def made(self, make: Callable[[Any], T]) -> T:
        """Return what ``make`` makes of the event, made once for all subscribers."""
        found = self.memo.get(make)
        if found is None:
            found = self.memo[make] = make(self.event)
        return cast("T", found)


class Mailbox:
    """Deliveries waiting for one subscriber.

    It holds a bounded number of them and of bytes, however slow the subscriber is. A stored
    message that finds it full empties it: the subscriber *lags* and reads the database from its
    own position, which costs no memory. Anything else that finds it full pushes out the oldest,
    which is counted in ``missed``.

    Only the event loop of the hub may touch it.

    Parameters
    ----------
    kinds
        The events that the subscriber wants.
    bound, most_bytes
        How much may wait. A single delivery may be larger.
    """

    def __init__(self, kinds: frozenset[type[Event]], bound: int, most_bytes: int) -> None:
        self.kinds = kinds
        self.missed = 0
        self.lagging = False
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
        """Note that so many deliveries were lost before they came here."""
        self.missed += count

    def fail(self, failure: Exception, *, at_once: bool = False) -> None:
        """End the subscription: what is waiting is still delivered, then ``failure`` is raised.

        Parameters
        ----------
        failure
            What to raise.
        at_once
            Deliver nothing any more, not even what is waiting or being read elsewhere.
        """
        self._failure = failure
        self._is_over = self._is_over or at_once
        if at_once:
            self._keep([])
        self._wake()

    def check(self) -> None:
        """Raise the failure if nothing may be delivered any more.

        To be called before anything is delivered that does not come from here.
        """
        if self._is_over and self._failure is not None:
            raise self._failure

    def catch_up(self) -> None:
        """Stop lagging: from now on deliveries are kept, and the rest is read elsewhere."""
        self.lagging = False

    def with_missed(self, delivery: Delivery) -> Delivery:
        """Return a delivery that tells how many were lost before it, since the last call."""
        if not self.missed:
            return delivery
        missed, self.missed = self.missed, 0
        return Delivery(delivery.event, missed)

    def take(self) -> Delivery | None:
        """Return the next delivery if there is one already."""
        return self._take_oldest() if self._deliveries else None

    async def get(self) -> Delivery | None:
        """Wait for the next delivery; ``None`` means that the subscriber lags.

        Raises
        ------
        Exception
            What :meth:`fail` was given, once the mailbox is empty.
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
            # A hole among stored messages would be silent, so all of them are read again.
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
