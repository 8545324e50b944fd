"""The database reads of a hub and its subscribers."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from channels.layers import get_channel_layer
from django.db.models import OuterRef, Subquery

from dasf_broker import database
from dasf_broker.domain.cursors import Head
from dasf_broker.domain.events import DIRECTORY
from dasf_broker.exceptions import NotFoundError, UnavailableError
from dasf_broker.models import BrokerMessage, BrokerTopic, BrokerTopicQuerySet
from dasf_broker.operations.storage.epochs import STEP, begin_epochs
from dasf_broker.operations.storage.events import message_event
from dasf_broker.operations.storage.large import first_beyond, is_large
from dasf_broker.operations.subscriptions.services import Services
from dasf_broker.realtime.hub import Hub
from dasf_broker.realtime.page_size import PAGE, PAGE_BYTES, MissingPage

#: The columns of a :class:`Head`.
_HEAD = ("last_sequence", "epoch", "newest")


def make_hub() -> Hub:
    """Return a hub for the running event loop.

    Raises
    ------
    UnavailableError
        No channel layer is configured.
    """
    layer = get_channel_layer()
    if layer is None:
        raise UnavailableError("The broker has no channel layer: set CHANNEL_LAYERS.")
    return Hub(layer, _load_heads, _load_messages, _begin_epochs)


def load_topic(topic_id: int) -> BrokerTopic:
    """Return a topic as it is now.

    Raises
    ------
    NotFoundError
        It was deleted.
    """
    topics: BrokerTopicQuerySet = BrokerTopic.objects.with_response_info()
    for topic in topics.filter(pk=topic_id).order_by():
        return topic
    raise NotFoundError("The topic was deleted.")


async def current_topic(services: Services, topic_id: int) -> BrokerTopic:
    """Return a topic as it is now. One query for all callers that ask at the same time.

    Raises
    ------
    NotFoundError, UnavailableError
        It was deleted; the database does not answer.
    """
    topic = await services.lookup(_load_topics).get(topic_id)
    if topic is None:
        raise NotFoundError("The topic was deleted.")
    return topic


def _load_topics(topic_ids: Collection[int]) -> Mapping[int, BrokerTopic]:
    topics: BrokerTopicQuerySet = BrokerTopic.objects.with_response_info()
    return topics.order_by().in_bulk(topic_ids)


def heads(topic_ids: Collection[int]) -> Mapping[int, Head]:
    """Return the end of the messages of each topic that exists."""
    newest = BrokerMessage.objects.filter(
        topic=OuterRef("pk"), sequence=OuterRef("last_sequence")
    ).order_by()
    topics = BrokerTopic.objects.filter(pk__in=topic_ids).order_by()
    rows = topics.annotate(newest=Subquery(newest.values("message_id")[:1]))
    found = {pk: Head(*head) for pk, *head in rows.values_list("pk", *_HEAD)}
    return found | ({DIRECTORY: Head(0)} if DIRECTORY in topic_ids else {})


def stored_messages(topic_id: int) -> Any:
    """Return the stored messages of a topic in order, with all that an event needs."""
    rows = BrokerMessage.objects.filter(topic=topic_id).order_by("sequence")
    return rows.with_topic()


async def _load_heads(topic_ids: Collection[int]) -> Mapping[int, Head]:
    return await database.read_first(heads, topic_ids)


def missing_page(rows: Any) -> MissingPage:
    """Return the first page of stored messages. Two queries: one for the sizes of large messages.

    Parameters
    ----------
    rows
        Messages of one topic in order, as of :func:`stored_messages`.
    """
    sizes = rows.filter(is_large()).values_list("sequence", "size")[: PAGE + 1]
    edge, _ = first_beyond(sizes, PAGE_BYTES)
    if edge is not None:
        rows = rows.filter(sequence__lt=edge)
    page = [*rows[:PAGE]]
    if page and page[0].topic.deleted_on is not None:
        return MissingPage([], is_last=True)  # the subscriptions of a deleted topic end soon
    messages = [message_event(row) for row in page]
    return MissingPage(messages, is_last=edge is None and len(messages) < PAGE)


async def _load_messages(topic_id: int, position: int) -> MissingPage:
    def load() -> MissingPage:
        page = missing_page(stored_messages(topic_id).after(position))
        # Read after the page: a removal before that is marked by now.
        return replace(page, expired=_expired(topic_id))

    return await database.read_first(load)


def _expired(topic_id: int) -> int:
    found = BrokerTopic.objects.filter(pk=topic_id).order_by()
    return next(iter(found.values_list("expired_sequence", flat=True)), 0)


async def _begin_epochs(seen: Mapping[int, int]) -> None:
    items = [*seen.items()]
    for first in range(0, len(items), STEP):
        await database.write(begin_epochs, dict(items[first : first + STEP]))
