"""What became of a message that was published."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from dasf_broker.domain.events import MessagePublished


class PublishStatus(StrEnum):
    """What became of a message."""

    #: Written to the database, and will be delivered.
    STORED = "STORED"
    #: Sent to current subscribers; the topic stores nothing.
    SENT = "SENT"
    #: The same message was published before, and may be acknowledged and gone; this is the
    #: first one, and nothing was sent.
    DUPLICATE = "DUPLICATE"


@dataclass(frozen=True, slots=True)
class Published:
    """A message that was published."""

    message: MessagePublished
    status: PublishStatus
    topic_created: bool = False
    response_topic: str | None = None
