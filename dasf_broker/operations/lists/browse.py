"""List the topics and messages that the caller may read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from enum import Enum
from typing import Any, TypeVar
from uuid import UUID

from django.db.models import Q, QuerySet

from dasf_broker.domain.cursors import (
    decode_cursor,
    encode_cursor,
    sequence_in,
)
from dasf_broker.domain.events import MessagePublished
from dasf_broker.domain.sizes import ByteBudget
from dasf_broker.exceptions import BadInputError
from dasf_broker.models import BrokerMessage, BrokerTopic
from dasf_broker.operations.access import Access, access
from dasf_broker.operations.caller import Caller
from dasf_broker.operations.lists.paging import (
    Order,
    Page,
    PageRequest,
    PageSlice,
    paginate,
    without_index,
)
from dasf_broker.operations.storage.events import message_event
from dasf_broker.permissions import few_visible_to, topics_visible_to

Rows = TypeVar("Rows", bound=QuerySet[Any])
#: Restricts a queryset, as a door's filters say.
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

    OLDEST = Order("sequence", size="size")
    NEWEST = Order("sequence", descending=True, size="size")


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
    """Return a page of the topics that the caller may see.

    Three queries. For a caller with rights on few of many topics the page is put together from
    those few and a page of public topics. A caller with many rights soon has a full page.
    """
    page_slice = PageSlice.of(order.value, request, topic_decoder(order))
    few = few_visible_to(caller.user)
    if few is None:
        topics = topics_visible_to(caller.user)
    else:
        public = page_slice.sort(
            page_slice.narrow(restrict(BrokerTopic.objects.filter(is_public=True)))
        )
        keys = public.values_list("pk", flat=True)[: page_slice.size + 1]
        topics = BrokerTopic.objects.filter(pk__in={*few, *keys})
        topics = topics.alias(place=without_index(order.value.column))
        page_slice = replace(page_slice, order=replace(order.value, column="place"))
    return paginate(restrict(topics.with_response_info()), page_slice, topic_encoder(order))


def list_messages(
    found: Access,
    request: PageRequest,
    *,
    order: MessageOrder = MessageOrder.OLDEST,
    restrict: Restrict = everything,
    budget: ByteBudget | None = None,
) -> Page[MessagePublished]:
    """Return a page of a topic's stored messages.

    Parameters
    ----------
    found
        The topic and its reader.
    budget
        Spends the bytes of large messages.

    Raises
    ------
    ForbiddenError
        The reader may not consume from the topic.
    BadInputError, CursorExpiredError
        A cursor is not one of this topic; the database went back since the topic gave it.
    """
    rows = restrict(found.to_consume().topic.brokermessage_set.all()).with_topic()
    page_slice = PageSlice.of(order.value, request, message_decoder(found.topic))
    return paginate(rows, page_slice, encode_message, budget).map(message_event)


def find_message(caller: Caller, slug: str, message_id: UUID) -> MessagePublished | None:
    """Return a stored message that the caller may read, if there is one.

    A producer may read what they published themselves; not so an anonymous one, because all
    anonymous callers are one user.

    Raises
    ------
    BadInputError, NotFoundError, ForbiddenError
        This is not a slug; the topic is not visible; the caller may neither consume nor publish.
    """
    return find_message_in(access(caller, slug), message_id)


def find_message_in(found: Access, message_id: UUID) -> MessagePublished | None:
    """Do as :func:`find_message`, in a topic that was read already."""
    may_read = found.rights.may_consume or found.rights.may_produce
    found.require(may_read, to="consume from")
    if found.caller.is_anonymous and not found.rights.may_consume:
        return None
    mine = Q() if found.rights.may_consume else Q(user=found.caller.row_key)
    rows = found.topic.brokermessage_set.filter(mine, message_id=message_id).with_topic()
    # Not `first`, which sorts: a database may then read the topic in its order.
    row = next(iter(rows.order_by()), None)
    return None if row is None else message_event(row)


def topic_decoder(order: TopicOrder) -> Callable[[str, str], Any]:
    """Return a function from a cursor of a list of topics to a value of the order's column."""
    column = order.value.column
    kind = int if column == "pk" else str

    def decode(cursor: str, field: str) -> Any:
        name, value = decode_cursor(cursor, str, kind, field=field)
        if name != column:
            raise BadInputError(f"{cursor[:64]!r} is a cursor of another order.", field=field)
        return value

    return decode


def topic_encoder(order: TopicOrder) -> Callable[[BrokerTopic], str]:
    """Return a function from a topic to its cursor in a list of topics."""
    column = order.value.column
    return lambda topic: encode_cursor(column, getattr(topic, column))


def message_decoder(topic: BrokerTopic) -> Callable[[str, str], int]:
    """Return a function from a cursor of a topic's messages to a sequence."""

    def decode(cursor: str, field: str) -> int:
        return sequence_in(topic.pk, topic.head, cursor, field=field)

    return decode


def encode_message(row: BrokerMessage) -> str:
    """Return the cursor of a message that was loaded with its topic."""
    return row.cursor
