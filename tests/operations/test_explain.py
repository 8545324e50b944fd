"""No statement of an operation reads a whole table that grows, or sorts more than a page."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from dasf_broker import auth, primary
from dasf_broker.auth import revocation
from dasf_broker.domain.envelope import MessageType
from dasf_broker.models import BrokerMessage
from dasf_broker.operations.access import access
from dasf_broker.operations.acknowledge import Acknowledging, acknowledge_batch, outstanding_up_to
from dasf_broker.operations.caller import Caller
from dasf_broker.operations.lists.acknowledgements import count_outstanding, delivered_to
from dasf_broker.operations.lists.browse import (
    MessageOrder,
    Restrict,
    TopicOrder,
    everything,
    find_message,
    list_messages,
    list_topics,
)
from dasf_broker.operations.lists.paging import PageRequest
from dasf_broker.operations.lists.per_topic import (
    list_messages_of_each,
    list_response_topics,
    list_source_messages,
)
from dasf_broker.operations.publish import publish_batch
from dasf_broker.operations.storage import deduplication, settlement
from dasf_broker.operations.subscriptions import consumers, hub_access
from dasf_broker.operations.subscriptions.messages import _Backlog, _removed_meanwhile
from dasf_broker.operations.upkeep import pings, response_topics, retention
from dasf_broker.permissions import (
    Right,
    consumers_by_topic,
    holder_names,
    holds_globally,
    rights_table,
    visible_topics,
)
from tests.operations.crowd import Crowd, create_crowd
from tests.operations.helpers import publication
from tests.operations.plans import PAGE, Plan, plans_of

pytestmark = pytest.mark.django_db

Operation = Callable[[Crowd], Any]

REQUEST = PageRequest(first=20)

#: What costs the same however much there is.
ORDERED: dict[str, Operation] = {
    "token": lambda crowd: auth.token_owners([crowd.key]),
    "access": lambda crowd: access(Caller(crowd.reader), "topic-00000"),
    "rights on many topics": lambda crowd: rights_table([crowd.reader], crowd.quiet),
    "global rights": lambda crowd: holds_globally(crowd.reader, Right.ADD),
    "publish": lambda crowd: publish_batch([_publication(crowd)] * 3),
    "request": lambda crowd: publish_batch(
        [_publication(crowd, response_topic=crowd.answers[0].slug)]
    ),
    "acknowledge": lambda crowd: acknowledge_batch(
        [Acknowledging(Caller(crowd.reader), "topic-00000", each) for each in crowd.message_ids]
    ),
    "acknowledge the last": lambda crowd: acknowledge_batch(
        [Acknowledging(Caller(crowd.reader), "topic-00001", each) for each in crowd.last_ids]
    ),
    "acknowledge up to": lambda crowd: outstanding_up_to(
        Caller(crowd.reader), "topic-00000", crowd.cursor(9_900), 9_800
    ),
    "message": lambda crowd: find_message(
        Caller(crowd.reader), "topic-00000", crowd.message_ids[0]
    ),
    "messages, oldest": lambda crowd: _messages(crowd, MessageOrder.OLDEST),
    "messages, newest": lambda crowd: _messages(crowd, MessageOrder.NEWEST),
    "messages by context": lambda crowd: _messages(
        crowd, MessageOrder.NEWEST, lambda rows: rows.filter(context=7)
    ),
    "backlog": lambda crowd: _backlog(crowd).read(0),
    "backlog, later": lambda crowd: _backlog(crowd).read(9_500),
    "catch up": lambda crowd: hub_access.missing_page(
        hub_access.stored_messages(crowd.busy.pk).after(9_500)
    ),
    "heads": lambda crowd: hub_access.heads([topic.pk for topic in crowd.quiet]),
    "left": lambda crowd: consumers.note_last_departures([crowd.answers[0].pk]),
}

#: What sorts short lists: pages of many topics, or the little that needs housekeeping.
SHORT: dict[str, Operation] = {
    "topics": lambda crowd: list_topics(Caller(crowd.reader), REQUEST),
    "topics, by age": lambda crowd: list_topics(
        Caller(crowd.reader), REQUEST, order=TopicOrder.NEWEST
    ),
    "messages of each": lambda crowd: list_messages_of_each(
        Caller(crowd.reader), [crowd.busy, *crowd.quiet], REQUEST
    ),
    "outstanding of each": lambda crowd: list_messages_of_each(
        Caller(crowd.reader), [crowd.busy, *crowd.quiet], REQUEST, outstanding=True
    ),
    "outstanding count": lambda crowd: count_outstanding(
        [topic.pk for topic in crowd.quiet], crowd.reader.pk
    ),
    "response topics": lambda crowd: list_response_topics(
        Caller(crowd.reader), [crowd.busy, *crowd.quiet], REQUEST
    ),
    "source messages": lambda crowd: _source_messages(crowd, may_consume_source=True),
    "own source messages": lambda crowd: _source_messages(crowd, may_consume_source=False),
    "deliveries": lambda crowd: delivered_to(
        [(topic.pk, sequence) for topic in crowd.quiet for sequence in (1, 2)]
    ),
    "delivered to all": lambda crowd: (
        delivered_to([(topic.pk, 1) for topic in crowd.quiet]),
        consumers_by_topic(crowd.quiet),
    ),
    "consumers": lambda crowd: list(crowd.quiet[0].consumers),
    "producers": lambda crowd: list(crowd.quiet[0].producers),
    "credentials of sockets": lambda crowd: revocation._valid(crowd.credentials),
    "holders": lambda crowd: holder_names([(topic, Right.PRODUCE) for topic in crowd.quiet]),
    "holders of answers": lambda crowd: holder_names(
        [(topic, Right.CONSUME) for topic in crowd.answers]
    ),
    "ping": lambda _: sum(pings.ping_due(timezone.now())),
    "collect garbage": lambda _: sum(response_topics.remove_due(timezone.now())),
    "settle": lambda _: sum(settlement.settle_all()),
    "retire": lambda _: sum(retention.remove_due(timezone.now())),
    "forget": lambda _: sum(deduplication.forget_due(timezone.now())),
}


@pytest.fixture(scope="module")
def crowd(django_db_setup: None, django_db_blocker: Any) -> Iterator[Crowd]:
    """Return a database that is filled once for all these tests, and emptied in the end."""
    with django_db_blocker.unblock(), primary.atomic():
        yield create_crowd()
        transaction.set_rollback(True, using=primary.alias())


@pytest.mark.parametrize("name", ORDERED)
def test_found_by_an_index_in_order(name: str, crowd: Crowd) -> None:
    """Nothing is read as a whole, and nothing is sorted."""
    for plan in plans_of(lambda: ORDERED[name](crowd)):
        _check(plan)
        assert not plan.sorts, plan


@pytest.mark.parametrize("name", SHORT)
def test_found_by_an_index(name: str, crowd: Crowd) -> None:
    """Nothing is read as a whole; what is sorted is short."""
    for plan in plans_of(lambda: SHORT[name](crowd)):
        _check(plan)


@pytest.mark.parametrize("order", TopicOrder)
def test_who_sees_many_topics_walks(
    order: TopicOrder, crowd: Crowd, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the order of an index, until the page is full."""
    monkeypatch.setattr(visible_topics, "FEW", 0)
    for caller in (Caller(crowd.reader), Caller.system()):
        list_ = partial(list_topics, caller, REQUEST, order=order)
        assert not any(plan.sorts for plan in plans_of(list_))


def test_what_is_bad_is_seen(crowd: Crowd) -> None:
    """These tests would notice."""
    messages = crowd.busy.brokermessage_set
    [whole] = plans_of(lambda: BrokerMessage.objects.filter(fingerprint="-").first())
    assert whole.scanned == {"dasf_broker_brokermessage"}
    [long] = plans_of(lambda: list(messages.filter(fingerprint="-").order_by("sequence")))
    assert long.read > PAGE
    [unordered] = plans_of(lambda: list(messages.order_by("date_created")[:20]))
    assert unordered.sorts


def _check(plan: Plan) -> None:
    assert not plan.scanned, plan
    assert plan.read <= PAGE, plan


def _publication(crowd: Crowd, **parts: Any) -> Any:
    return publication(crowd.reader, "topic-00000", data=1, **parts)


def _messages(crowd: Crowd, order: MessageOrder, restrict: Restrict = everything) -> Any:
    found = access(Caller(crowd.reader), "topic-00000")
    return list_messages(found, REQUEST, order=order, restrict=restrict)


def _backlog(crowd: Crowd) -> _Backlog:
    types = frozenset(MessageType)
    return _Backlog(
        crowd.busy.pk, crowd.busy.epoch, crowd.reader.pk, types, if_removed=_removed_meanwhile
    )


def _source_messages(crowd: Crowd, *, may_consume_source: bool) -> Any:
    return list_source_messages(
        Caller(crowd.reader),
        [(each, crowd.busy) for each in crowd.answers],
        REQUEST,
        may_consume_source=may_consume_source,
    )
