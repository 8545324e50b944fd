"""Make events of messages, stored or not: the event that the message was published."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from dasf_broker import clock
from dasf_broker.domain.envelope import Envelope, MessageType
from dasf_broker.domain.events import MessagePublished
from dasf_broker.exceptions import NotFoundError
from dasf_broker.models import BrokerMessage, BrokerTopic

if TYPE_CHECKING:
    from django.contrib.auth.models import User


def message_event(row: BrokerMessage, *, again: bool = False) -> MessagePublished:
    """Return a stored message as an event.

    Parameters
    ----------
    row
        A message whose topic was loaded with its response info.
    again
        Whether it is delivered again: then without its sequence, so that subscribers do not take
        it for a duplicate.

    Raises
    ------
    NotFoundError
        The topic was deleted, and the message is being removed.
    """
    if row.topic.deleted_on is not None:
        raise NotFoundError("The topic was deleted.")
    return MessagePublished(
        topic_id=row.topic_id,
        topic_slug=row.topic.slug,
        sequence=None if again else row.sequence,
        message_id=row.message_id,
        message_type=MessageType(row.message_type),
        content=row.content,
        user_id=None if row.user_id is None else str(row.user_id),
        publish_time=clock.to_show(row.date_created),
        is_response=row.topic.is_response_topic,
        epoch=row.topic.epoch,
    )


def new_event(
    user: User | None,
    topic: BrokerTopic,
    envelope: Envelope,
    sequence: int | None,
    publish_time: datetime,
) -> MessagePublished:
    """Return a new message as an event, equal to the event of the row read later."""
    return MessagePublished(
        topic_id=topic.pk,
        topic_slug=topic.slug,
        sequence=sequence,
        message_id=envelope.message_id,
        message_type=envelope.message_type,
        content=envelope.content,
        user_id=None if user is None else str(user.pk),
        publish_time=clock.to_show(publish_time),
        is_response=topic.is_response_topic,
        epoch=topic.epoch,
    )
