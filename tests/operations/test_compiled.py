"""Statements that are built once: the same rows as Django's, whatever the values are."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from dasf_broker import database, primary
from dasf_broker.models import BrokerMessage, BrokerTopic, ResponseTopic
from dasf_broker.sql import compiled
from dasf_broker.sql.compiled import Deletion, Selection, Update
from tests.conftest import MakeTopic
from tests.operations.helpers import queries

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 5, 7, 8])
@pytest.mark.parametrize("kind", [list, tuple, set, frozenset])
def test_lists_of_any_length(
    count: int, kind: Callable[..., Any], topics: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also none, and more than a statement is kept for."""
    monkeypatch.setattr(compiled, "LONGEST", 6)
    wanted = kind(topics[:count])
    select = Selection(_by_slug)
    for _ in range(2):
        assert {topic.slug for topic in select(wanted)} == set(wanted)


def test_built_once_for_each_size(topics: list[str]) -> None:
    """Three values and four have the same statement."""
    built: list[int] = []

    def build(slugs: Collection[str]) -> Any:
        built.append(len(slugs))
        return _by_slug(slugs)

    select = Selection(build)
    select(topics[:1])  # builds another one to ask the routers
    del built[:]
    for slugs in (topics[:3], topics[1:5], topics[5:8], ["nowhere"] * 3, topics[:1]):
        assert [topic.slug for topic in select(slugs)] == [s for s in slugs if s != "nowhere"]
    assert built == [4]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("sequence", 7),
        ("message_id", UUID(int=5)),
        ("message_type", "info"),
        ("date_created", NOW),
        ("context", None),
        ("user__username", "somebody"),
        ("content__payload", "YQ=="),
    ],
)
@pytest.mark.parametrize("is_list", [True, False])
def test_values_of_any_kind(field: str, value: Any, is_list: bool, message: BrokerMessage) -> None:
    """In the form in which the database keeps them; what takes no samples runs all the same."""
    lookup = f"{field}__in" if is_list and value is not None else field
    select = Selection(lambda value: BrokerMessage.objects.filter(**{lookup: value}))
    for _ in range(2):
        assert select([value] if lookup != field else value) == [message]


def test_values_that_are_no_samples(message: BrokerMessage) -> None:
    """A key may be given as text, and a list may be mixed: Django decides what it means."""
    by_key = Selection(lambda keys: BrokerMessage.objects.filter(pk__in=keys))
    assert by_key([str(message.pk)]) == by_key([str(message.pk), message.pk]) == [message]
    assert by_key({message.pk, None}) == [message]


def test_constants_stay(make_topic: MakeTopic) -> None:
    """What is the same each time stands between the values."""
    wanted = make_topic("a", store_messages="store")
    make_topic("b", store_messages="cache")
    select = Selection(
        lambda slugs, key: BrokerTopic.objects.filter(
            slug__in=slugs, store_messages="store", pk__gte=key
        ).values_list("slug", "is_public")
    )
    assert select(["a", "b", "c"], wanted.pk) == [("a", False)]
    assert select(["a", "b", "c"], wanted.pk + 1) == []


def test_related_rows_come_along(topic: BrokerTopic) -> None:
    """As the queryset says."""
    ResponseTopic.objects.create(slug="answers", is_response_for=topic)
    select = Selection(_by_slug)
    select(["answers", "topic"])
    assert queries(lambda: [each.source_topic_id for each in select(["answers", "topic"])]) == 1
    found = {each.slug: each.source_topic_id for each in select(["answers", "topic"])}
    assert found == {"answers": topic.pk, "topic": None}


def test_parts_of_a_union() -> None:
    """The same value may stand in several places."""
    topics = [BrokerTopic.objects.create(slug=each) for each in "ab"]
    select = Selection(
        lambda slug, keys: (
            BrokerTopic.objects.filter(slug=slug)
            .order_by()
            .values_list("slug")
            .union(
                BrokerTopic.objects.filter(pk__in=keys).order_by().values_list("slug"),
                BrokerTopic.objects.filter(pk__in=keys, slug=slug).order_by().values_list("slug"),
                all=True,
            )
        )
    )
    assert sorted(select("a", {topic.pk for topic in topics})) == [("a",), ("a",), ("a",), ("b",)]


@pytest.mark.django_db(transaction=True)
async def test_other_threads_have_other_connections(topic: BrokerTopic) -> None:
    """A statement that one thread built runs on the connection of another one."""
    select = Selection(_by_slug)
    assert await database.read(select, ["topic"]) == [topic]
    assert await database.write(select, ["topic"]) == [topic]


def test_a_lock_wants_a_transaction(topic: BrokerTopic) -> None:
    """As without; on databases that lock rows, the statement says so."""
    select = Selection(lambda key: BrokerTopic.objects.select_for_update().filter(pk=key))
    with primary.atomic(), CaptureQueriesContext(connection) as captured:
        assert select(topic.pk) == [topic]
    locks = connection.features.has_select_for_update
    assert ("FOR UPDATE" in captured.captured_queries[-1]["sql"]) is locks


@pytest.mark.parametrize("count", [1, 2, 5])
def test_an_update_of_several_is_one_query(count: int, topics: list[str]) -> None:
    """Each has its own value; the others keep theirs."""
    update: Update[int, str] = Update(
        "last_sequence", lambda slug: BrokerTopic.objects.filter(slug=slug)
    )
    rows = [(number, slug) for number, slug in enumerate(topics[:count], 1)]
    update.many([(0, slug) for slug in topics[:2]])
    assert queries(lambda: update.many(rows)) == 1
    found = BrokerTopic.objects.order_by("pk").values_list("last_sequence", flat=True)
    assert list(found) == [*range(1, count + 1), *[0] * (len(topics) - count)]


@pytest.mark.parametrize("column", ["last_ping", "api_info"])
def test_an_update_takes_any_value(column: str, topics: list[str]) -> None:
    """Also those for which no statement is kept; it says how many rows there were."""
    update: Update[Any, list[str]] = Update(
        column, lambda slugs: BrokerTopic.objects.filter(slug__in=slugs)
    )
    for value in [None, NOW, NOW + timedelta(1)] if column == "last_ping" else ["a", {"b": 1}]:
        assert update(value, [*topics[:3], "nowhere"]) == 3
        found = BrokerTopic.objects.order_by("pk").values_list(column, flat=True)
        assert list(found) == [value] * 3 + [None] * (len(topics) - 3)
    update.many([(None, topics[:1]), (None, topics[1:2])])
    assert BrokerTopic.objects.filter(**{f"{column}__isnull": False}).count() == 1


def test_a_deletion_says_how_many(topics: list[str]) -> None:
    """Rows that are not there are not counted."""
    delete: Deletion[list[Any]] = Deletion(_by_slug_alone)
    assert delete([topics[0], topics[1], "nowhere"]) == 2
    assert delete([]) == 0
    assert delete([topics[2], None]) == 1
    assert BrokerTopic.objects.count() == len(topics) - 3


def _by_slug(slugs: Collection[str]) -> Any:
    return BrokerTopic.objects.with_response_info().filter(slug__in=slugs).order_by("pk")


def _by_slug_alone(slugs: Collection[str]) -> Any:
    return BrokerTopic.objects.filter(slug__in=slugs)


@pytest.fixture
def topics() -> list[str]:
    """Return the slugs of some topics, in the order of their keys."""
    return [BrokerTopic.objects.create(slug=f"topic-{number}").slug for number in range(8)]


@pytest.fixture
def message(topic: BrokerTopic) -> BrokerMessage:
    """Return a message beside another one."""
    other = {"topic": topic, "sequence": 8, "message_type": "log", "context": 1}
    BrokerMessage.objects.create(**other, message_id=uuid4(), content={"payload": ""})
    return BrokerMessage.objects.create(
        topic=topic,
        sequence=7,
        message_id=UUID(int=5),
        message_type="info",
        user=User.objects.create_user("somebody"),
        content={"payload": "YQ=="},
        date_created=NOW,
    )
