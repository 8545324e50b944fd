"""Lists of many topics at once: what is in them, for whom, and in how many queries."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User

from dasf_broker.domain.cursors import message_cursor
from dasf_broker.exceptions import BadInputError
from dasf_broker.models import BrokerTopic
from dasf_broker.operations.caller import Caller
from dasf_broker.operations.lists import many
from dasf_broker.operations.lists.acknowledgements import delivered_to
from dasf_broker.operations.lists.paging import PageRequest
from dasf_broker.operations.lists.per_topic import (
    list_messages_of_each,
    list_response_topics,
    list_source_messages,
)
from dasf_broker.permissions import Right, grant
from tests.conftest import MakeTopic, MakeUser
from tests.operations.helpers import ack, queries, send, send_many

ALL = PageRequest()


def test_outstanding_messages_are_the_readers_own(
    topic: BrokerTopic, producer: User, consumer: User, make_user: MakeUser
) -> None:
    """What one consumer acknowledged is still outstanding to the other."""
    BrokerTopic.objects.update(store_messages="store")
    other = make_user("other", topic, Right.CONSUME)
    first, second = send_many(producer, 2)
    ack(consumer, first)
    for user, expected in ((consumer, [second]), (other, [first, second])):
        outstanding = list_messages_of_each(Caller(user), [topic], ALL, outstanding=True)
        assert message_ids(outstanding[topic]) == expected
        everything = list_messages_of_each(Caller(user), [topic], ALL)
        assert message_ids(everything[topic]) == [first, second]


def test_a_cursor_is_right_for_one_topic(
    topic: BrokerTopic, producer: User, consumer: User, make_topic: MakeTopic
) -> None:
    """The others are refused each for itself."""
    other = make_topic("other")
    ids = send_many(producer, 3)
    topic.refresh_from_db()
    request = PageRequest(after=message_cursor(topic.pk, 2, topic.epoch))
    pages = list_messages_of_each(Caller(consumer), [other, topic], request)
    assert message_ids(pages[topic]) == ids[2:]
    assert isinstance(pages[other], BadInputError)


def test_response_topics_and_their_requests(
    topic: BrokerTopic, producer: User, consumer: User, make_user: MakeUser
) -> None:
    """Requesters see their own, the consumers of the source see all."""
    other = make_user("other", topic, Right.PRODUCE)
    ids = [
        send(user, response_topic=f"topic-for-{user}").message.message_id
        for user in (producer, other)
    ]
    grant(producer, BrokerTopic.objects.get(slug="topic-for-other"), Right.VIEW_STATUS)
    listed = {
        user.username: slugs(list_response_topics(Caller(user), [topic], ALL)[topic])
        for user in (producer, other, consumer)
    }
    both = ["topic-for-other", "topic-for-producer"]
    assert listed == {"producer": both, "other": ["topic-for-other"], "consumer": both}
    answers = BrokerTopic.objects.with_response_info().get(slug="topic-for-producer")
    for user, may_consume, expected in (
        (producer, False, ids[:1]),
        (other, False, []),
        (consumer, True, ids[:1]),
    ):
        pages = list_source_messages(
            Caller(user), [(answers, topic)], ALL, may_consume_source=may_consume
        )
        assert message_ids(pages[answers, topic]) == expected


def test_what_was_deleted_has_no_page(topic: BrokerTopic, consumer: User) -> None:
    """It is missing in the answer."""
    BrokerTopic.objects.all().delete()
    topic.pk = topic_id = 10**6
    assert list_messages_of_each(Caller(consumer), [topic], ALL) == {}
    assert list_response_topics(Caller(consumer), [topic], ALL) == {}
    assert delivered_to([(topic_id, 1)]) == {(topic_id, 1): frozenset()}


@pytest.mark.parametrize("count", [1, 5])
def test_the_number_of_queries(
    count: int,
    topic: BrokerTopic,
    make_topic: MakeTopic,
    superuser: User,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The same for any number of topics, apart from what a statement cannot take.

    One more where the items may be large.
    """
    caller = Caller(superuser)
    for number in range(1, count):
        make_topic(f"topic-{number}")
    topics = list(BrokerTopic.objects.with_response_info())
    for each in topics:
        send_many(superuser, 2, each.slug)
    keys = [(each.pk, 1) for each in topics]
    # The rights of the caller take one more where they choose the topics.
    for list_, expected in ((list_messages_of_each, 3), (list_response_topics, 3)):
        assert queries(lambda list_=list_: list_(caller, topics, ALL)) == expected  # type: ignore[misc]
    assert queries(lambda: delivered_to(keys)) == 2
    monkeypatch.setattr(many, "LISTS", 2)
    pages = list_messages_of_each(caller, topics, ALL)
    assert [len(message_ids(pages[each])) for each in topics] == [2] * count


def slugs(page: Any) -> list[str]:
    """Return the slugs of a page of topics."""
    return [topic.slug for _, topic in page.items]


def message_ids(page: Any) -> list[Any]:
    """Return the ids of a page of messages."""
    return [message.message_id for _, message in page.items]
