"""The outcome of a publish."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from dasf_broker.domain.events import MessagePublished


class PublishStatus(StrEnum):
    """The outcome of a publish."""

    #: The message was written to the database, and will be delivered.
    STORED = "STORED"
    #: The message was sent to current subscribers; the topic stores nothing.
    SENT = "SENT"
    #: The same message was published before, and may be acknowledged and removed by now. The
    #: result describes the first one; nothing was sent.
    DUPLICATE = "DUPLICATE"


@dataclass(frozen=True, slots=True)
class Published:
    """A message that was published."""

    #: The message.
    message: MessagePublished
    #: The outcome.
    status: PublishStatus
    #: Whether the message created its topic.
    topic_created: bool = False
    #: The slug of the topic for answers, if the message asks for answers.
    response_topic: str | None = None
    #: What the producer should know, if the consumers of the topic will ignore the message.
    warning: str | None = None

    @property
    def message_id(self) -> UUID:
        """The id of the message."""
        return self.message.message_id
