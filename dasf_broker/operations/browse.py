"""Read topics and messages, as far as the caller may."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any, TypeVar
from uuid import UUID

from django.db.models import Q, QuerySet

from dasf_broker.domain.cursors import (
    decode_cursor,
    decode_message_cursor,
    encode_cursor,
    message_cursor,
)
from dasf_broker.domain.events import MessagePublished
from dasf_broker.exceptions import BadInputError
from dasf_broker.models import BrokerMessage, BrokerTopic
from dasf_broker.operations.access import Access, access
from dasf_broker.operations.caller import Caller
from dasf_broker.operations.paging import Order, Page, PageRequest, paginate
from dasf_broker.operations.publish import message_event
from dasf_broker.permissions import topics_visible_to

Rows = TypeVar("Rows", bound=QuerySet[Any])
#: Narrows a queryset down, as a door's filters say.
Restrict = Callable[[Any], Any]


class TopicOrder(Enum):
    """In which order topics are listed."""

    SLUG = Order("slug")
    SLUG_DESC = Order("slug", descending=True)
    #: By primary key, which grows with time.
    OLDEST = Order("pk")
    NEWEST = Order("pk", descending=True)


class MessageOrder(Enum):
    """In which order messages are listed."""

    OLDEST = Order("sequence")
    NEWEST = Order("sequence", descending=True)


def everything(rows: Rows) -> Rows:
    """Restrict nothing."""
    return rows


def list_topics(
    caller: Caller,
    request: PageRequest,
    *,
    order: TopicOrder = TopicOrder.SLUG,
    restrict: Restrict = everything,
) -> Page[BrokerTopic]:
    """Return a page of the topics that the caller may see."""
    topics = restrict(topics_visible_to(caller.user).with_response_info())
    return _topic_page(topics, order, request)


def list_response_topics(
    caller: Caller, topic: BrokerTopic, request: PageRequest
) -> Page[BrokerTopic]:
    """Return a page of a topic's response topics that the caller may see."""
    topics = topics_visible_to(caller.user).with_response_info()
    return _topic_page(
        topics.filter(responsetopic__is_response_for=topic.pk), TopicOrder.SLUG, request
    )


def list_messages(
    found: Access,
    request: PageRequest,
    *,
    order: MessageOrder = MessageOrder.OLDEST,
    restrict: Restrict = everything,
    outstanding: bool = False,
) -> Page[MessagePublished]:
    """Return a page of a topic's stored messages.

    Parameters
    ----------
    found
        The topic and its reader.
    outstanding
        Only what the reader did not acknowledge.

    Raises
    ------
    ForbiddenError
        The reader may not consume from the topic.
    """
    rows = found.to_consume().topic.brokermessage_set.all()
    if outstanding:
        rows = rows.not_acknowledged_by(found.caller.user.pk)
    return _message_page(restrict(rows), found.topic.pk, order, request)


def list_source_messages(
    caller: Caller, topic: BrokerTopic, *, may_consume_source: bool, request: PageRequest
) -> Page[MessagePublished]:
    """Return a page of the requests that a response topic answers.

    Who may not consume the source topic sees only their own requests.
    """
    source = topic.source_topic_id
    if source is None:
        return Page.empty()
    rows = BrokerMessage.objects.filter(topic=source, responsetopic=topic.pk)
    if not may_consume_source:
        rows = rows.filter(user=caller.user)
    return _message_page(rows, source, MessageOrder.OLDEST, request)


def find_message(caller: Caller, slug: str, message_id: UUID) -> MessagePublished | None:
    """Return a stored message that the caller may read, if there is one.

    A producer may read what they published themselves.

    Raises
    ------
    BadInputError, NotFoundError, ForbiddenError
        Not a slug; not visible; the caller may neither consume nor publish.
    """
    return find_message_in(access(caller, slug), message_id)


def find_message_in(found: Access, message_id: UUID) -> MessagePublished | None:
    """As :func:`find_message`, in a topic that was looked up already."""
    may_read = found.rights.may_consume or found.rights.may_produce
    found.require(may_read, to="consume from")
    mine = Q() if found.rights.may_consume else Q(user=found.caller.user)
    rows = _with_topic(found.topic.brokermessage_set.filter(mine, message_id=message_id))
    row = rows.first()
    return None if row is None else message_event(row)


def _topic_page(topics: Any, order: TopicOrder, request: PageRequest) -> Page[BrokerTopic]:
    column = order.value.column
    kind = int if column == "pk" else str

    def decode(cursor: str, field: str) -> Any:
        name, value = decode_cursor(cursor, str, kind, field=field)
        if name != column:
            raise BadInputError(f"{cursor!r} is a cursor of another order.", field=field)
        return value

    return paginate(
        topics,
        order.value,
        request,
        decode=decode,
        encode=lambda topic: encode_cursor(column, getattr(topic, column)),
    )


def _message_page(
    rows: Any, topic_id: int, order: MessageOrder, request: PageRequest
) -> Page[MessagePublished]:
    def decode(cursor: str, field: str) -> int:
        cursor_topic, sequence = decode_message_cursor(cursor, field=field)
        if cursor_topic != topic_id:
            raise BadInputError(f"{cursor!r} is a cursor of another topic.", field=field)
        return sequence

    page = paginate(
        _with_topic(rows),
        order.value,
        request,
        decode=decode,
        encode=lambda row: message_cursor(topic_id, row.sequence),
    )
    return page.map(message_event)


def _with_topic(rows: Any) -> Any:
    return rows.select_related("topic__responsetopic")
