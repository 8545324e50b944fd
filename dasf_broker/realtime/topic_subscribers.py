"""The local subscribers of one topic, and the sequence up to which they were served."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import cast
from uuid import UUID

from dasf_broker.domain.cursors import Head
from dasf_broker.domain.events import Event, MessagePublished, MessageStored
from dasf_broker.exceptions import UnavailableError
from dasf_broker.realtime.loss_count import LossCount, Serial
from dasf_broker.realtime.mailbox import Delivery, Mailbox

#: Messages of a topic whose ids are kept, to tell a late announcement from a database that went
#: back and gives their sequences to others.
RECENT = 100


@dataclass(slots=True)
class TopicSubscribers:
    """The local subscribers of one topic, and the sequence up to which they were served."""

    topic_id: int
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    mailboxes: set[Mailbox] = field(default_factory=set)
    #: Sequence up to which all messages were passed on; ``None`` before it is known.
    position: int | None = None
    #: The epoch of the position.
    epoch: int = 0
    #: The highest sequence known to be committed.
    target: int = 0
    #: The same for each announced epoch, before the position is known; ``None``: of an older
    #: release, which does not say its epoch.
    announced: dict[int | None, int] = field(default_factory=dict)
    #: Whether the database went back: nothing that is stored is passed on until the topic has a new
    #: epoch.
    has_gone_back: bool = False
    #: Whether the log says so.
    is_logged: bool = False
    #: The ids of the messages passed on last, by sequence.
    recent: dict[int, UUID] = field(default_factory=dict)
    #: Whether announcements were missed. There may be another message in the place of the last one
    #: that was passed on.
    is_unsure: bool = False
    catching_up: asyncio.Task[None] | None = None
    renewed_at: float | None = None
    #: The count of lost messages that are not stored.
    loss_count: LossCount = field(default_factory=LossCount)

    @property
    def known_position(self) -> int:
        """The position, once it is known."""
        return cast("int", self.position)

    def open_at(self, head: Head) -> None:
        """Begin at the end of the messages."""
        self.position, self.epoch, message_id = head
        if message_id is not None:
            self.recent[self.position] = message_id
        announced = self.announced
        self.target = max(announced.get(self.epoch, 0), announced.get(None, 0))
        self.announced = {}

    def note_announced(self, event: MessagePublished | MessageStored, epoch: int | None) -> bool:
        """Note that a stored message was announced; return whether it may be passed on."""
        sequence = cast("int", event.sequence)
        if self.position is None:
            self.announced[epoch] = max(self.announced.get(epoch, 0), sequence)
            return False
        if is_current := self.is_current(event):
            self.target = max(self.target, sequence)
            self.is_unsure = self.is_unsure or sequence > self.position + 1
        return is_current

    def begin_anew(self) -> None:
        """End all subscriptions, and forget the position: the next subscriber begins anew."""
        for mailbox in self.mailboxes:
            mailbox.fail(_gone_back(), at_once=True)
        self.position, self.epoch, self.target = None, 0, 0
        self.has_gone_back = self.is_logged = self.is_unsure = False
        self.recent.clear()
        if self.catching_up is not None:
            self.catching_up.cancel()
            self.catching_up = None

    def check_epoch(self, epoch: int | None) -> None:
        """Check that a subscriber counts as we do.

        Raises
        ------
        UnavailableError
            The topic began another epoch than the subscriber knows, or than we know.
        """
        if epoch is not None and epoch != self.epoch:
            raise _gone_back()

    def is_ahead_of(self, head: Head, position: int) -> bool:
        """Tell whether the database went back: its end is before a position that we had.

        Parameters
        ----------
        head
            The end of the messages, as read from the database.
        position
            The position before it was read: it may have moved on since.
        """
        if head.epoch != self.epoch:
            return head.epoch < self.epoch
        is_another = self._is_another(head.sequence, head.message_id)
        return self.has_gone_back or is_another or head.sequence < position

    def is_current(self, event: MessagePublished | MessageStored) -> bool:
        """Tell whether an event belongs to the history of the database that was passed on.

        If not, nothing is passed on until the next look into the database.
        """
        if isinstance(event, MessagePublished):
            is_another = self._is_another(cast("int", event.sequence), event.message_id)
            self.has_gone_back = self.has_gone_back or is_another
        return event.epoch == self.epoch and not self.has_gone_back

    def _is_another(self, sequence: int, message_id: UUID | None) -> bool:
        return message_id is not None and self.recent.get(sequence, message_id) != message_id

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
            self.recent[sequence] = message.message_id
            if len(self.recent) > RECENT:
                del self.recent[next(iter(self.recent))]
            self.deliver(message)

    def lag(self) -> None:
        """Let subscribers that miss nothing silently read on from their own positions."""
        for mailbox in self.mailboxes:
            if mailbox.must_be_complete:
                mailbox.lag()


def _gone_back() -> UnavailableError:
    return UnavailableError(
        "The broker's database was restored to an earlier state; subscribe again."
    )
