"""The records of one publish, acknowledgement, subscription, message or fault."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from tests.chaos.harness.history import (
    AcknowledgeAnswered,
    AcknowledgeInvoked,
    AcknowledgeUnknown,
    Delivered,
    FaultBegan,
    FinalRow,
    PublishAnswered,
    PublishInvoked,
    PublishRefused,
    PublishUnknown,
    SubscriptionEnded,
    SubscriptionOpened,
)

PublishEnd = PublishAnswered | PublishRefused | PublishUnknown
AcknowledgeEnd = AcknowledgeAnswered | AcknowledgeUnknown

#: The answers after which a message is in the database.
STORED_STATUSES: Final = frozenset({"STORED", "DUPLICATE"})


@dataclass(slots=True)
class Publish:
    """One attempt to publish a message."""

    invoked: PublishInvoked
    end: PublishEnd | None = None

    @property
    def answered(self) -> PublishAnswered | None:
        """The answer, if it says that the message is published."""
        return self.end if isinstance(self.end, PublishAnswered) else None

    @property
    def stored(self) -> PublishAnswered | None:
        """The answer, if it says that the message is in the database."""
        answer = self.answered
        return answer if answer is not None and answer.status in STORED_STATUSES else None

    @property
    def is_first(self) -> bool:
        """Whether the answer says that no attempt before stored the message."""
        # Without a sequence it comes from a door that does not tell a duplicate.
        answer = self.answered
        return answer is not None and answer.status == "STORED" and answer.sequence is not None

    @property
    def refused(self) -> bool:
        """Whether it is certain that this attempt published nothing."""
        return isinstance(self.end, PublishRefused)

    def __str__(self) -> str:
        return f"publish {self.invoked.who}/{self.invoked.operation}"


@dataclass(slots=True)
class Acknowledge:
    """One attempt to acknowledge a message."""

    invoked: AcknowledgeInvoked
    end: AcknowledgeEnd | None = None

    @property
    def answered(self) -> AcknowledgeAnswered | None:
        """The answer, whatever it says."""
        return self.end if isinstance(self.end, AcknowledgeAnswered) else None

    @property
    def certain(self) -> bool:
        """Whether it is answered that the message is acknowledged."""
        return self.answered is not None and self.possible

    @property
    def possible(self) -> bool:
        """Whether the message may be acknowledged by it."""
        return self.answered is None or self.answered.status != "UNKNOWN"

    def __str__(self) -> str:
        who = f"{self.invoked.who}/{self.invoked.operation}"
        return f"acknowledgement {who} of user {self.invoked.user}"


@dataclass(slots=True)
class Subscription:
    """One subscription to the messages of a topic."""

    opened: SubscriptionOpened
    deliveries: list[Delivered] = field(default_factory=list)
    ended: SubscriptionEnded | None = None
    #: When nothing could come any more, for whichever reason.
    ended_at: float = math.inf
    #: What it got.
    message_ids: set[str] = field(default_factory=set)

    def __str__(self) -> str:
        name = f"{self.opened.who}/{self.opened.subscription}"
        return f"subscription {name} of user {self.opened.user}"


@dataclass(slots=True)
class Message:
    """All that is known of one message."""

    topic: str
    message_id: str
    publishes: list[Publish] = field(default_factory=list)
    acknowledges: list[Acknowledge] = field(default_factory=list)
    deliveries: list[tuple[Subscription, Delivered]] = field(default_factory=list)
    rows: list[FinalRow] = field(default_factory=list)

    @property
    def stored(self) -> PublishAnswered | None:
        """The first answer that says that it is in the database."""
        answers = (each.stored for each in self.publishes if each.stored)
        return min(answers, key=lambda answer: answer.at, default=None)

    @property
    def first_seen(self) -> float:
        """When it was surely published: answered or delivered, whichever was first."""
        times = [each.answered.at for each in self.publishes if each.answered]
        return min(times + [each.at for _, each in self.deliveries], default=math.inf)

    @property
    def first_invoked(self) -> float:
        """Before this it was surely not published."""
        return min((each.invoked.at for each in self.publishes), default=math.inf)

    @property
    def sequence(self) -> int | None:
        """Its sequence, from any record that has it."""
        return next((sequence for sequence, _ in self.sequences()), None)

    def sequences(self) -> Iterator[tuple[int, str]]:
        """Yield every sequence that was recorded for it, each with its source."""
        for row in self.rows:
            yield row.sequence, "the final row"
        for each in self.publishes:
            if each.stored and each.stored.sequence is not None:
                yield each.stored.sequence, str(each)
        for subscription, delivered in self.deliveries:
            if delivered.sequence is not None:
                yield delivered.sequence, str(subscription)

    def acknowledged_by(self, *, before: float = math.inf, certain: bool = False) -> set[str]:
        """Return the users who acknowledged it, or perhaps did."""
        return {
            each.invoked.user
            for each in self.acknowledges
            if each.invoked.at < before and (each.certain if certain else each.possible)
        }

    def __str__(self) -> str:
        number = "" if self.sequence is None else f" (sequence {self.sequence})"
        return f"message {self.message_id}{number} of topic {self.topic}"


@dataclass(slots=True)
class Fault:
    """Something that was broken for a while."""

    began: FaultBegan
    ended_at: float = math.inf

    @property
    def client(self) -> str | None:
        """The client that it hits alone; ``None`` where it hits the broker."""
        for kind in ("stop client ", "kill client "):
            if self.began.fault.startswith(kind):
                return self.began.fault.removeprefix(kind)
        return None

    @property
    def ends_a_server(self) -> bool:
        """Whether a process of the broker ends with it, and another one takes its place."""
        return self.began.fault.startswith(("kill server", "restart server"))
