"""Paging: any walk through a list gives the whole list, and nothing twice."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from django.contrib.auth.models import User
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from dasf_broker.domain.cursors import MAX_POSITION, encode_cursor, message_cursor
from dasf_broker.exceptions import BadInputError, CursorExpiredError
from dasf_broker.models import BrokerTopic
from dasf_broker.operations.access import access
from dasf_broker.operations.caller import Caller
from dasf_broker.operations.lists.browse import MessageOrder, TopicOrder, list_messages, list_topics
from dasf_broker.operations.lists.paging import Page, PageRequest
from tests.operations.helpers import rolled_back, send_many

SLUGS = st.lists(st.from_regex(r"[-a-zA-Z0-9_]{1,4}", fullmatch=True), unique=True, max_size=12)


@pytest.mark.django_db
@given(names=SLUGS, size=st.integers(1, 5), order=st.sampled_from(TopicOrder))
def test_walking_through_topics(names: list[str], size: int, order: TopicOrder) -> None:
    """Forward and backward, in each order."""
    with rolled_back():
        for name in names:
            BrokerTopic.objects.create(slug=name, is_public=True)
        list_page = partial(list_topics, Caller.of(None), order=order)
        forward = walk_forward(list_page, size)
        assert sorted(topic.slug for topic in forward) == sorted(names)
        assert walk_backward(list_page, size) == forward
        expected = list(BrokerTopic.objects.order_by(order.value.column))
        assert forward == (expected[::-1] if order.value.descending else expected)


@pytest.mark.django_db
@given(count=st.integers(0, 9), size=st.integers(1, 4), order=st.sampled_from(MessageOrder))
def test_walking_through_messages(count: int, size: int, order: MessageOrder) -> None:
    """Forward and backward, in each order."""
    with rolled_back():
        BrokerTopic.objects.create(slug="topic")
        root = User.objects.create_superuser("root")
        ids = send_many(root, count)
        list_page = partial(list_messages, access(Caller(root), "topic"), order=order)
        expected = ids if order is MessageOrder.OLDEST else ids[::-1]
        for walk in (walk_forward, walk_backward):
            assert [message.message_id for message in walk(list_page, size)] == expected


@pytest.mark.parametrize(
    ("request_", "expected", "has_next", "has_previous"),
    [
        ({}, "abcde", False, False),
        ({"first": 2}, "ab", True, False),
        ({"last": 2}, "de", False, True),
        ({"first": 5}, "abcde", False, False),
        ({"last": 5}, "abcde", False, False),
        ({"first": 0}, "", True, False),
        ({"last": 0}, "", False, True),
        ({"after": "b"}, "cde", False, True),
        ({"first": 1, "after": "b"}, "c", True, True),
        ({"last": 2, "before": "d"}, "bc", True, True),
        ({"first": 1, "before": "c"}, "a", True, False),
        ({"last": 1, "after": "c"}, "e", False, True),
        ({"after": "a", "before": "d"}, "bc", False, True),
        ({"after": "d", "before": "b"}, "", False, True),
        ({"after": "e"}, "", False, True),
        ({"after": "bb"}, "cde", False, True),  # its topic may have been deleted
    ],
)
def test_parts_of_a_list(
    request_: dict[str, Any], expected: str, has_next: bool, has_previous: bool, db: None
) -> None:
    """First, last, after, before, and what lies around the page."""
    for slug in "ebadc":
        BrokerTopic.objects.create(slug=slug, is_public=True)
    for name in ("after", "before"):
        if name in request_:
            request_ = {**request_, name: encode_cursor("slug", request_[name])}
    page = list_topics(Caller.of(None), PageRequest(**request_))
    assert "".join(slugs(page)) == expected
    assert (page.has_next, page.has_previous) == (has_next, has_previous)


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        ({"first": -1}, "first"),
        ({"last": -1}, "last"),
        ({"first": 501}, "first"),
        ({"last": 10**30}, "last"),
        ({"first": 1, "last": 1}, "last"),
        ({"after": ""}, "after"),
        ({"before": "rubbish"}, "before"),
        ({"after": encode_cursor("pk", 1)}, "after"),
        ({"after": encode_cursor("slug", "a\x00")}, "after"),
        ({"after": encode_cursor("slug", "\ud800")}, "after"),
        ({"before": message_cursor(1, 1, 0)}, "before"),
    ],
)
def test_wrong_requests(request_: dict[str, Any], field: str, db: None) -> None:
    """The argument that is wrong is named, and the database is not asked."""
    with pytest.raises(BadInputError) as caught:
        list_topics(Caller.of(None), PageRequest(**request_))
    assert caught.value.details == {"field": field}


def test_a_cursor_of_another_order_is_refused(db: None) -> None:
    """It is a place in another list."""
    request = PageRequest(after=encode_cursor("slug", "a"))
    with pytest.raises(BadInputError):
        list_topics(Caller.of(None), request, order=TopicOrder.NEWEST)


@pytest.mark.parametrize(("sequence", "later"), [(1, 0), (MAX_POSITION, 0), (0, 1)])
def test_cursors_of_another_history_are_refused(
    sequence: int, later: int, topic: BrokerTopic, consumer: User
) -> None:
    """Neither one ahead of the newest message, nor one of another epoch, is a place here."""
    found = access(Caller(consumer), "topic")
    cursor = message_cursor(topic.pk, sequence, topic.epoch + later)
    for request in (PageRequest(after=cursor), PageRequest(before=cursor)):
        with pytest.raises(CursorExpiredError):
            list_messages(found, request)


def test_a_page_has_a_size_when_nobody_says(db: None, settings: Settings) -> None:
    """The server's, but never more than it allows."""
    for slug in "abc":
        BrokerTopic.objects.create(slug=slug, is_public=True)
    settings.DASF_PAGE_SIZE = 2
    assert slugs(list_topics(Caller.of(None), PageRequest())) == ["a", "b"]
    settings.DASF_MAX_PAGE_SIZE = 1
    assert slugs(list_topics(Caller.of(None), PageRequest())) == ["a"]
    with pytest.raises(BadInputError, match="first is 0 to 1, not 2"):
        list_topics(Caller.of(None), PageRequest(first=2))


def walk_forward(list_page: Any, size: int) -> list[Any]:
    """Return all items, page by page from the start."""
    items: list[Any] = []
    page = list_page(PageRequest(first=size))
    assert not page.has_previous
    while True:
        items += [item for _, item in page.items]
        if not page.has_next:
            return items
        page = list_page(PageRequest(first=size, after=page.items[-1][0]))
        assert page.items
        assert page.has_previous


def walk_backward(list_page: Any, size: int) -> list[Any]:
    """Return all items, page by page from the end."""
    items: list[Any] = []
    page = list_page(PageRequest(last=size))
    assert not page.has_next
    while True:
        items = [item for _, item in page.items] + items
        if not page.has_previous:
            return items
        page = list_page(PageRequest(last=size, before=page.items[0][0]))
        assert page.items
        assert page.has_next


def slugs(page: Page[BrokerTopic]) -> list[str]:
    """Return the slugs of a page."""
    return [topic.slug for _, topic in page.items]
