"""Read the lists of many topics at once: a page of each, in a fixed number of queries."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping
from operator import attrgetter
from typing import Any, TypeAlias, TypeVar

from django.db.models import F, OuterRef, Subquery

from dasf_broker.domain.events import MessagePublished
from dasf_broker.domain.sizes import ByteBudget
from dasf_broker.exceptions import BrokerError
from dasf_broker.models import (
    Acknowledgement,
    BrokerMessage,
    BrokerTopic,
    BrokerTopicQuerySet,
    ResponseTopic,
)
from dasf_broker.operations.caller import Caller
from dasf_broker.operations.lists.browse import (
    MessageOrder,
    Restrict,
    TopicOrder,
    encode_message,
    everything,
    message_decoder,
    topic_decoder,
    topic_encoder,
)
from dasf_broker.operations.lists.many import paginate_each
from dasf_broker.operations.lists.paging import (
    Order,
    Page,
    PageRequest,
    PageSlice,
    without_index,
)
from dasf_broker.operations.storage.events import message_event
from dasf_broker.permissions import topics_visible_to

Owner = TypeVar("Owner", bound=Hashable)

#: The page of each owner of a list, or the error in its place.
Pages: TypeAlias = Mapping[Owner, Page[Any] | BrokerError]

#: A response topic, and the topic whose requests it answers.
WithSource: TypeAlias = tuple[BrokerTopic, BrokerTopic]


def list_response_topics(
    caller: Caller, topics: Collection[BrokerTopic], request: PageRequest
) -> Pages[BrokerTopic]:
    """Return, for each of the topics, a page of its response topics that the caller may see."""
    order = TopicOrder.SLUG
    page_slice = PageSlice.of(order.value, request, topic_decoder(order))
    visible = topics_visible_to(caller.user).with_response_info()
    rows = visible.filter(responsetopic__is_response_for__in=[topic.pk for topic in topics])
    rows = rows.annotate(source=F("responsetopic__is_response_for"))
    found = paginate_each(_these(topics), rows, "source", page_slice, topic_encoder(order))
    return {topic: found[topic.pk] for topic in topics if topic.pk in found}


def list_messages_of_each(
    caller: Caller,
    topics: Collection[BrokerTopic],
    request: PageRequest,
    *,
    restrict: Restrict = everything,
    outstanding: bool = False,
    budget: ByteBudget | None = None,
) -> Pages[BrokerTopic]:
    """Return, for each of the topics, a page of its stored messages.

    Parameters
    ----------
    topics
        Topics that the caller may consume from.
    outstanding
        Return only messages that the caller did not acknowledge.
    budget
        Spends the bytes of large messages.
    """
    rows = BrokerMessage.objects.all()
    if outstanding:
        # Message by message: a database estimates their number badly, and would then read every
        # acknowledgement of the caller.
        mine = Acknowledgement.objects.filter(message=OuterRef("pk"), user=caller.row_key)
        rows = rows.alias(acknowledged=Subquery(mine.values("pk")[:1])).filter(acknowledged=None)
    lists = [(topic, topic) for topic in topics]
    pages = _message_pages(lists, restrict(rows), request, budget)
    return {topic: page for (topic, _), page in pages.items()}


def list_source_messages(
    caller: Caller,
    topics: Collection[WithSource],
    request: PageRequest,
    *,
    may_consume_source: bool,
    budget: ByteBudget | None = None,
) -> Pages[WithSource]:
    """Return, for each of the response topics, a page of the requests that it answers.

    Parameters
    ----------
    may_consume_source
        A caller that may not consume the source topics sees only their own requests; an anonymous
        one none, because all anonymous callers are one user.
    budget
        Spends the bytes of large messages.
    """
    # Found by the response topic: the source topic, or the user, may have many more messages.
    links: Any = ResponseTopic.source_messages.through.objects
    links = links.alias(
        topic=without_index("brokermessage__topic"), user=without_index("brokermessage__user")
    ).filter(topic=F("responsetopic__is_response_for"))
    if not may_consume_source and caller.is_anonymous:
        return {}
    if not may_consume_source:
        links = links.filter(user=caller.row_key)
    return _message_pages(
        topics,
        links.select_related("brokermessage"),
        request,
        budget,
        order=Order("brokermessage__sequence", size="brokermessage__size"),
        owner="responsetopic_id",
        message=attrgetter("brokermessage"),
    )


def _message_pages(
    lists: Collection[WithSource],
    rows: Any,
    request: PageRequest,
    budget: ByteBudget | None,
    *,
    order: Order = MessageOrder.OLDEST.value,
    owner: str = "topic_id",
    message: Callable[[Any], BrokerMessage] = lambda row: row,
) -> Pages[WithSource]:
    """Return a page of each list: of an owner, with messages of one topic."""
    alike: dict[PageSlice, list[WithSource]] = defaultdict(list)
    pages: dict[WithSource, Page[Any] | BrokerError] = {}
    for each in lists:
        _, topic = each
        try:
            page_slice = PageSlice.of(order, request, message_decoder(topic))
        except BrokerError as error:  # a cursor is right for one topic only
            pages[each] = error
        else:
            alike[page_slice].append(each)
    topics = {topic.pk: topic for _, topic in lists}

    def with_topic(row: Any) -> BrokerMessage:
        found = message(row)
        found.topic = topics[found.topic_id]
        return found

    def encode(row: Any) -> str:
        return encode_message(with_topic(row))

    def event(row: Any) -> MessagePublished:
        return message_event(with_topic(row))

    for page_slice, some in alike.items():
        owners = _these(each for each, _ in some)
        found = paginate_each(owners, rows, owner, page_slice, encode, budget)
        pages |= {each: found[each[0].pk].map(event) for each in some if each[0].pk in found}
    return pages


def _these(topics: Iterable[BrokerTopic]) -> BrokerTopicQuerySet:
    these: BrokerTopicQuerySet = BrokerTopic.objects.filter(pk__in=[topic.pk for topic in topics])
    return these
