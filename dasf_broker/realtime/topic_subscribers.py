"""The local subscribers of one topic, and the sequence up to which they were served."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import cast

from dasf_broker.domain.events import Event, MessagePublished
from dasf_broker.realtime.loss_count import LossCount, Serial
from dasf_broker.realtime.mailbox import Delivery, Mailbox


@dataclass(slots=True)
class TopicSubscribers:
    """The local subscribers of one topic, and the sequence up to which they were served."""

    topic_id: int
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    mailboxes: set[Mailbox] = field(default_factory=set)
    #: Sequence up to which all messages were passed on; ``None`` before it is known.
    position: int | None = None
    #: The highest sequence known to be committed.
    target: int = 0
    catching_up: asyncio.Task[None] | None = None
    renewed_at: float | None = None
    #: The count of lost messages that are not stored.
    loss_count: LossCount = field(default_factory=LossCount)

    @property
    def known_position(self) -> int:
        """The position, once it is known."""
        return cast("int", self.position)

    def deliver_unstored(self, event: MessagePublished, serial: Serial | None) -> None:
        """Pass on an event that is not stored, unless it is a duplicate; count lost ones before."""
        missed = 0 if serial is None else self.loss_count.missed_before(serial)
        if missed is None:
            return
        if missed:
            for mailbox in self.mailboxes:
                if MessagePublished in mailbox.kinds:
                    mailbox.miss(missed)
        self.deliver(event)

    def deliver(self, event: Event) -> None:
        """Put an event into the mailboxes of all subscribers that want its kind."""
        delivery = Delivery(event)
        for mailbox in self.mailboxes:
            if type(event) in mailbox.kinds:
                mailbox.put(delivery)

    def advance(self, message: MessagePublished) -> None:
        """Pass on a stored message, unless it was passed on before."""
        if (sequence := cast("int", message.sequence)) > self.known_position:
            self.position = sequence
            self.deliver(message)
