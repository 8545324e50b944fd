"""What is published: the request, what became of it, and the fact that it was."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from django.utils import timezone

from dasf_broker.domain.envelope import Envelope, MessageType
from dasf_broker.domain.events import MessagePublished
from dasf_broker.models import BrokerMessage, BrokerTopic
from dasf_broker.operations.caller import Caller

if TYPE_CHECKING:
    from django.contrib.auth.models import User


class PublishStatus(StrEnum):
    """What became of a message."""

    #: Written to the database, and will be delivered.
    STORED = "STORED"
    #: Sent to who is listening now; the topic stores nothing.
    SENT = "SENT"
    #: The same message was published before, and may be acknowledged and gone; this is the
    #: first one, and nothing was sent.
    DUPLICATE = "DUPLICATE"


@dataclass(frozen=True, slots=True)
class Publication:
    """A message that somebody wants to publish to a topic."""

    caller: Caller
    slug: str
    envelope: Envelope


@dataclass(frozen=True, slots=True)
class Published:
    """A message that was published."""

    message: MessagePublished
    status: PublishStatus
    topic_created: bool = False
    response_topic: str | None = None


def message_event(row: BrokerMessage, *, again: bool = False) -> MessagePublished:
    """Return a stored message as the fact that it was published.

    Parameters
    ----------
    row
        A message whose topic was loaded with its response info.
    again
        Without its sequence, so that it is not taken for the one delivered before.
    """
    return MessagePublished(
        topic_id=row.topic_id,
        topic_slug=row.topic.slug,
        sequence=None if again else row.sequence,
        message_id=row.message_id,
        message_type=MessageType(row.message_type),
        content=row.content,
        user_id=None if row.user_id is None else str(row.user_id),
        publish_time=row.date_created,
        is_response=row.topic.is_response_topic,
    )


def unstored_event(user: User | None, topic: BrokerTopic, envelope: Envelope) -> MessagePublished:
    """Return a message that is kept nowhere."""
    return new_event(user, topic, envelope, None, timezone.now())


def new_event(
    user: User | None,
    topic: BrokerTopic,
    envelope: Envelope,
    sequence: int | None,
    publish_time: datetime,
) -> MessagePublished:
    """Return a message as its producer says it, and as it would be read from the database."""
    return MessagePublished(
        topic_id=topic.pk,
        topic_slug=topic.slug,
        sequence=sequence,
        message_id=envelope.message_id,
        message_type=envelope.message_type,
        content=envelope.content,
        user_id=None if user is None else str(user.pk),
        publish_time=publish_time,
        is_response=topic.is_response_topic,
    )
