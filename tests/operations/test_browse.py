"""Read topics and messages, as far as the caller may."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import User

from dasf_broker.domain.cursors import message_cursor
from dasf_broker.domain.events import MessagePublished
from dasf_broker.exceptions import BadInputError, ForbiddenError, NotFoundError
from dasf_broker.models import BrokerTopic
from dasf_broker.operations.access import access
from dasf_broker.operations.caller import Caller
from dasf_broker.operations.lists.browse import (
    MessageOrder,
    find_message,
    list_messages,
    list_topics,
)
from dasf_broker.operations.lists.paging import Page, PageRequest
from dasf_broker.permissions import Right
from tests.conftest import MakeTopic, MakeUser
from tests.operations.helpers import queries, send, send_many

ALL = PageRequest()


def test_topics_that_the_caller_may_see(
    topic: BrokerTopic, consumer: User, stranger: User, make_topic: MakeTopic, anonymous: Caller
) -> None:
    """Public ones, and those with any right; narrowed down as the door says."""
    make_topic("open", is_public=True, supports_dasf=False)
    make_topic("hidden")
    assert slugs(list_topics(Caller(consumer), ALL)) == ["open", "topic"]
    for caller in (Caller(stranger), anonymous):
        assert slugs(list_topics(caller, ALL)) == ["open"]
    only_dasf = list_topics(
        Caller(consumer), ALL, restrict=lambda rows: rows.filter(supports_dasf=True)
    )
    assert slugs(only_dasf) == ["topic"]


def test_messages_for_consumers_only(
    topic: BrokerTopic, producer: User, consumer: User, superuser: User
) -> None:
    """In both orders, each with its cursor, as what was published."""
    ids = send_many(producer, 3)
    page = list_messages(access(Caller(consumer), "topic"), ALL)
    assert message_ids(page) == ids
    assert [cursor for cursor, _ in page.items] == [
        message_cursor(topic.pk, n, topic.epoch) for n in (1, 2, 3)
    ]
    newest = list_messages(access(Caller(superuser), "topic"), ALL, order=MessageOrder.NEWEST)
    assert message_ids(newest) == ids[::-1]
    with pytest.raises(ForbiddenError):
        list_messages(access(Caller(producer), "topic"), ALL)


def test_messages_are_narrowed_down(topic: BrokerTopic, producer: User, consumer: User) -> None:
    """Cursors still are places in the whole list."""
    send(producer, context=1)
    wanted = send(producer, context=2).message.message_id
    page = list_messages(
        access(Caller(consumer), "topic"), ALL, restrict=lambda rows: rows.filter(context=2)
    )
    assert message_ids(page) == [wanted]
    assert page.items[0][0] == message_cursor(topic.pk, 2, topic.epoch)


def test_a_cursor_of_another_topic_is_refused(topic: BrokerTopic, consumer: User) -> None:
    """It says nothing about this one."""
    found = access(Caller(consumer), "topic")
    with pytest.raises(BadInputError, match="another topic"):
        list_messages(found, PageRequest(after=message_cursor(topic.pk + 1, 1, topic.epoch)))


def test_a_page_is_two_queries(topic: BrokerTopic, producer: User, consumer: User) -> None:
    """One for the sizes, and one for the messages, however many are on it."""
    send_many(producer, 20)
    found = access(Caller(consumer), "topic")
    assert queries(lambda: list_messages(found, ALL)) == 2


def test_one_message(
    topic: BrokerTopic, producer: User, consumer: User, make_user: MakeUser
) -> None:
    """Consumers read all, producers what they published themselves."""
    message = send(producer, text="a").message
    mine = (Caller(producer), Caller(consumer))
    assert [find_message(caller, "topic", message.message_id) for caller in mine] == [message] * 2
    other = Caller(make_user("other", topic, Right.PRODUCE))
    assert find_message(other, "topic", message.message_id) is None
    assert find_message(Caller(consumer), "topic", uuid4()) is None


def test_who_may_not_read_a_message(topic: BrokerTopic, stranger: User, manager: User) -> None:
    """Forbidden to who sees the topic, hidden from the others."""
    with pytest.raises(ForbiddenError):
        find_message(Caller(manager), "topic", uuid4())
    with pytest.raises(NotFoundError):
        find_message(Caller(stranger), "topic", uuid4())


def slugs(page: Page[Any]) -> list[str]:
    """Return the slugs of a page of topics."""
    return [topic.slug for _, topic in page.items]


def message_ids(page: Page[MessagePublished]) -> list[Any]:
    """Return the ids of a page of messages."""
    return [message.message_id for _, message in page.items]
