"""The lists of topics in the admin: what is shown, of which topics, and at what cost."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from dasf_broker.models import Acknowledgement, BrokerMessage, BrokerTopic, ResponseTopic
from dasf_broker.permissions import Right, grant
from tests.conftest import MakeUser

pytestmark = pytest.mark.django_db

TOPICS = "admin:dasf_broker_brokertopic_changelist"
ANSWERS = "admin:dasf_broker_responsetopic_changelist"


@pytest.mark.parametrize("url", [TOPICS, ANSWERS])
def test_rows_cost_no_queries(url: str, admin_client: Client, make_user: MakeUser) -> None:
    """A list of 200 topics takes as many queries as one of 20, and not many."""
    source = BrokerTopic.objects.create(slug="source")
    consumer = make_user("consumer", source, Right.CONSUME)
    _fill(source, consumer, 0, 20)
    few = _queries(admin_client, url)
    _fill(source, consumer, 20, 199)
    many = _queries(admin_client, url)
    assert len(many) == len(few) <= 14


def test_counts(admin_client: Client, topic: BrokerTopic, make_user: MakeUser) -> None:
    """Each row tells who uses the topic, what is stored, and what nobody acknowledged."""
    consumer = make_user("consumer", topic, Right.CONSUME)
    make_user("both", topic, Right.CONSUME, Right.PRODUCE)
    make_user("gone", topic, Right.PRODUCE, is_active=False)
    _permit(make_user("everywhere"), "can_produce")
    answers = ResponseTopic.objects.create(slug="answers", is_response_for=topic)
    make_user("module", answers, Right.PRODUCE)
    messages = _messages(topic, 3)
    Acknowledgement.objects.create(message=messages[0], user=consumer)

    shown = {each.slug: each for each in _rows(admin_client, TOPICS)}
    for slug, expected in {"topic": (2, 2, 3, 2, 1), "answers": (0, 4, 0, 0, 0)}.items():
        row = shown[slug]
        counts = (row.stored_count, row.pending_count, row.answer_count)
        assert (row.consumer_count, row.producer_count, *counts) == expected
        stored = BrokerTopic.objects.get(slug=slug)
        assert row.consumer_count == stored.consumers.count()
        assert row.producer_count == stored.producers.count()
        assert row.pending_count == stored.get_outstanding_messages().count()


@pytest.mark.parametrize(
    ("query", "slugs"),
    [
        ({"availability": "online"}, {"online"}),
        ({"availability": "offline"}, {"offline"}),
        ({"availability": "unknown"}, {"answers", "old"}),
        ({"availability": "nonsense"}, {"answers", "offline", "old", "online"}),
        ({"response": "yes"}, {"answers"}),
        ({"response": "no"}, {"offline", "old", "online"}),
        ({"is_public__exact": "1"}, {"online"}),
        ({"age": "day"}, {"answers", "online"}),
        ({"age": "week"}, {"answers", "offline", "online"}),
        ({"age": "month"}, {"answers", "offline", "online"}),
        ({"age": "older"}, {"old"}),
        ({"q": "LINE"}, {"offline", "online"}),
        ({"_facets": "True", "response": "yes"}, {"answers"}),
    ],
)
def test_filters(query: dict[str, str], slugs: set[str], admin_client: Client) -> None:
    """The list can be narrowed down."""
    now = timezone.now()
    online = _topic("online", now, last_ping=now, last_pong=now, is_public=True)
    _topic("offline", now - timedelta(days=2), last_ping=now)
    _topic("old", now - timedelta(days=40))
    ResponseTopic.objects.create(slug="answers", is_response_for=online)
    assert {topic.slug for topic in _rows(admin_client, TOPICS, query)} == slugs


def test_status_has_an_icon_and_a_word(admin_client: Client) -> None:
    """Colour alone would tell nothing to a user who cannot see it."""
    _topic("online", timezone.now(), last_ping=timezone.now(), last_pong=timezone.now())
    page = admin_client.get(reverse(TOPICS)).content.decode()
    assert '/icon-yes.svg" alt="">&nbsp;online' in page


def test_every_page_opens(admin_client: Client, topic: BrokerTopic) -> None:
    """Lists, forms, deletions and histories of both kinds of topics show themselves."""
    answers = ResponseTopic.objects.create(slug="answers", is_response_for=topic)
    for model, pk in (("brokertopic", topic.pk), ("responsetopic", answers.pk)):
        for page in ("change", "delete", "history"):
            url = reverse(f"admin:dasf_broker_{model}_{page}", args=[pk])
            assert admin_client.get(url).status_code == 200, url
    added = admin_client.get(reverse("admin:dasf_broker_brokertopic_add"))
    assert added.status_code == 200
    assert added.context["adminform"].form["supports_dasf"].value() is True
    assert admin_client.get(reverse("admin:app_list", args=["dasf_broker"])).status_code == 200


def test_response_topics_are_not_made_by_hand(admin_client: Client) -> None:
    """They belong to requests."""
    assert admin_client.get("/admin/dasf_broker/responsetopic/add/").status_code == 403


def _fill(source: BrokerTopic, consumer: User, start: int, stop: int) -> None:
    for number in range(start, stop):
        topic = ResponseTopic.objects.create(slug=f"answers-{number}", is_response_for=source)
        grant(consumer, topic, Right.CONSUME, Right.PRODUCE)
        _messages(topic, 1)


def _queries(client: Client, url: str) -> list[Any]:
    client.get(reverse(url))  # what is cached once in a process is cached now
    with CaptureQueriesContext(connection) as captured:
        rows = _rows(client, url, {"all": ""})
    assert len(rows) in {20, 21, 199, 200}
    return captured.captured_queries


def _rows(client: Client, url: str, query: dict[str, str] | None = None) -> list[Any]:
    response = client.get(reverse(url), query or {})
    assert response.status_code == 200
    return list(response.context["cl"].result_list)


def _topic(slug: str, created: datetime, **fields: Any) -> BrokerTopic:
    topic: BrokerTopic = BrokerTopic.objects.create(slug=slug, supports_dasf=True, **fields)
    BrokerTopic.objects.filter(pk=topic.pk).update(date_created=created)
    return topic


def _messages(topic: BrokerTopic, count: int) -> list[BrokerMessage]:
    return BrokerMessage.objects.bulk_create(
        BrokerMessage(
            topic=topic, message_id=uuid4(), sequence=number, message_type="info", content={}
        )
        for number in range(1, count + 1)
    )


def _permit(user: User, codename: str) -> None:
    user.user_permissions.add(Permission.objects.get(codename=codename))
