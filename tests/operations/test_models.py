"""What the models promise beyond their columns (the reference API)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError
from django.test import RequestFactory
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from dasf_broker import primary
from dasf_broker.domain.publishing import PublishStatus
from dasf_broker.domain.sizes import json_size
from dasf_broker.models import BrokerMessage, BrokerTopic, ResponseTopic
from dasf_broker.permissions import Right, grant
from tests.conftest import MakeUser
from tests.operations.helpers import ack, queries, rolled_back, send, send_many

AGES = (
    st.none()
    | st.sampled_from([0, 1, 60, 119, 120, 121, 3600, -1, -10, -10.000001, -3600])
    | st.floats(-300, 300)
)


@pytest.mark.django_db
@given(topics=st.lists(st.tuples(st.booleans(), AGES, AGES), max_size=6))
def test_the_availability_filters_partition_all_topics(
    topics: list[tuple[bool, float | None, float | None]],
) -> None:
    """Each topic is in exactly one, the one that its own answer names."""
    now = timezone.now()
    with rolled_back(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(timezone, "now", lambda: now)
        for number, (supports_dasf, ping_age, pong_age) in enumerate(topics):
            BrokerTopic.objects.create(
                slug=str(number),
                supports_dasf=supports_dasf,
                last_ping=None if ping_age is None else now - timedelta(seconds=ping_age),
                last_pong=None if pong_age is None else now - timedelta(seconds=pong_age),
            )
        rows = BrokerTopic.objects
        parts = {
            True: rows.filter_online(),
            False: rows.filter_offline(),
            None: rows.filter_unknown_availability(),
        }
        for answer, part in parts.items():
            assert set(part) == {topic for topic in rows.all() if topic.availability is answer}
        assert sum(part.count() for part in parts.values()) == len(topics)


def test_availability_filters_take_further_conditions(topic: BrokerTopic) -> None:
    """As ``filter`` does."""
    assert BrokerTopic.objects.filter_unknown_availability(slug="topic").get() == topic
    assert not BrokerTopic.objects.filter_unknown_availability(slug="other").exists()
    topic.ping()
    assert BrokerTopic.objects.filter_offline(slug="topic").get() == topic
    assert not BrokerTopic.objects.filter_online(slug="topic").exists()


def test_people_of_a_topic(topic: BrokerTopic, producer: User, consumer: User) -> None:
    """Querysets of users who hold a right, superusers not counted."""
    User.objects.create_superuser("root")
    grant(producer, topic, Right.VIEW_STATUS)
    assert list(topic.consumers) == [consumer]
    assert list(topic.producers) == [producer]
    assert list(topic.status_viewers) == [producer]


@pytest.mark.parametrize("own", [None, "disabled", "cache", "cacheall", "store"])
def test_the_storage_rule_that_holds(own: str | None, db: None, settings: Settings) -> None:
    """The topic's own, else the server's for its kind."""
    settings.DASF_STORE_SOURCE_MESSAGES = "store"
    settings.DASF_STORE_RESPONSE_MESSAGES = "disabled"
    source = BrokerTopic.objects.create(slug="source", store_messages=own)
    answers = ResponseTopic.objects.create(
        slug="answers", store_messages=own, is_response_for=source
    )
    plain = BrokerTopic.objects.get(slug="answers")
    choices = BrokerTopic.StoreMessageChoices
    assert source.effective_store_messages is choices(own or "store")
    for row in (answers, plain):
        assert row.effective_store_messages is choices(own or "disabled")


def test_response_topics(topic: BrokerTopic) -> None:
    """The same topic, as itself and as what it extends."""
    answers = ResponseTopic.objects.create(slug="answers", is_response_for=topic)
    plain = BrokerTopic.objects.get(slug="answers")
    assert not topic.is_response_topic
    assert answers.is_response_topic
    assert plain.is_response_topic
    assert plain.responsetopic == answers
    assert answers.brokertopic_ptr == plain
    assert list(topic.responsetopics.all()) == [answers]
    assert (plain.source_topic_id, topic.source_topic_id) == (topic.pk, None)


def test_outstanding_messages(topic: BrokerTopic, producer: User, consumer: User) -> None:
    """To one user, or acknowledged by nobody."""
    BrokerTopic.objects.update(store_messages="store")
    first, second = send_many(producer, 2)
    ack(consumer, first)

    def ids(user: User | None = None) -> list[object]:
        return list(topic.get_outstanding_messages(user).values_list("message_id", flat=True))

    assert (ids(consumer), ids(producer), ids()) == ([second], [first, second], [second])


def test_create_and_send_message(topic: BrokerTopic, producer: User) -> None:
    """An envelope in its wire form, stored with the id that it names."""
    message_id = uuid4()
    content = {"messageId": str(message_id), "properties": {}, "payload": "YQ==", "context": 3}
    outcome = topic.create_and_send_message(producer, content)
    assert outcome.status is PublishStatus.STORED
    row = topic.brokermessage_set.get()
    assert (row.message_id, row.context, row.user, row.content) == (
        message_id,
        3,
        producer,
        content,
    )
    assert str(row) == f"{message_id} (request)"


def test_delivered_to_all(
    topic: BrokerTopic, producer: User, consumer: User, make_user: MakeUser
) -> None:
    """When every present consumer acknowledged; never where there is none."""
    BrokerTopic.objects.update(store_messages="store")
    other = make_user("other", topic, Right.CONSUME)
    [message_id] = send_many(producer, 1)
    answers = []
    for user in (consumer, other):
        answers.append(BrokerMessage.objects.get().delivered_to_all)
        ack(user, message_id)
    answers.append(BrokerMessage.objects.get().delivered_to_all)
    assert answers == [False, False, True]
    User.objects.filter(pk__in=[consumer.pk, other.pk]).update(is_active=False)
    assert not BrokerMessage.objects.get().delivered_to_all


def test_is_response(topic: BrokerTopic, producer: User, consumer: User) -> None:
    """What a response topic carries."""
    send(producer, response_topic="topic_answers")
    send(consumer, "topic_answers", message_type="response")
    answers = {row.topic.slug: row.is_response for row in BrokerMessage.objects.all()}
    assert answers == {"topic": False, "topic_answers": True}
    assert list(BrokerMessage.objects.get(topic=topic).responsetopic_set.all()) == [
        ResponseTopic.objects.get()
    ]


@pytest.mark.parametrize("other", [{"sequence": 2}, {"message_id": uuid4()}])
def test_one_message_id_and_one_sequence_per_topic(
    other: dict[str, object], topic: BrokerTopic, producer: User
) -> None:
    """The database itself refuses a second one of either."""
    message_id = send(producer).message.message_id
    same = {"topic": topic, "message_id": message_id, "sequence": 1, "content": {}}
    with pytest.raises(IntegrityError), primary.atomic():
        BrokerMessage.objects.create(**(same | other))
    BrokerMessage.objects.create(**(same | {"message_id": uuid4(), "sequence": 2}))


def test_messages_outlive_their_producer(topic: BrokerTopic, producer: User) -> None:
    """A user may leave."""
    send(producer)
    producer.delete()
    assert BrokerMessage.objects.get().user is None


@pytest.mark.parametrize(
    ("root_url", "secure", "expected"),
    [
        (None, False, "ws://testserver/ws/"),
        (None, True, "wss://testserver/ws/"),
        ("https://broker.example", False, "wss://broker.example/ws/"),
        ("http://localhost:8000/", True, "ws://localhost:8000/ws/"),
        ("https://example.org/base/", True, "wss://example.org/base/ws/"),
    ],
)
def test_websocket_urls(
    root_url: str | None, secure: bool, expected: str, settings: Settings
) -> None:
    """From the request, unless ``ROOT_URL`` says otherwise."""
    settings.ROOT_URL = root_url
    request = RequestFactory().get("/somewhere/", secure=secure)
    assert BrokerTopic.build_websocket_url(request) == expected
    assert BrokerTopic.build_websocket_url(request, "status-ping") == f"{expected}status-ping"
    assert BrokerTopic(slug="a").get_websocket_url(request) == f"{expected}a"


@pytest.mark.parametrize("route", ["dasf", "/dasf", "dasf/", "/dasf/"])
def test_the_route_of_the_websockets(route: str, settings: Settings) -> None:
    """Slashes around it make no difference."""
    settings.DASF_WEBSOCKET_URL_ROUTE = route
    request = RequestFactory().get("/")
    assert BrokerTopic(slug="a").get_websocket_url(request) == "ws://testserver/dasf/a"


@pytest.mark.parametrize("fields", [None, ["content"], ("date_created", "content")])
def test_size_follows_the_content(topic: BrokerTopic, producer: User, fields: Any) -> None:
    """However it is saved; rows that are written without model objects have the same one."""
    send(producer, text="ä")
    message = BrokerMessage.objects.get()
    assert message.size == json_size(message.content)
    message.content = {**message.content, "payload": "x" * 5000}
    message.save(update_fields=fields)
    assert BrokerMessage.objects.get().size == json_size(message.content)
    other = BrokerMessage(topic=topic, sequence=9, message_id=uuid4(), content={"payload": "y" * 9})
    BrokerMessage.objects.bulk_create([other])
    assert BrokerMessage.objects.get(sequence=9).size == json_size(other.content)


def test_size_of_what_was_not_loaded(topic: BrokerTopic) -> None:
    """It stays as it is, and the content is not read for it."""
    BrokerTopic.objects.filter(pk=topic.pk).update(api_info={"a": 1}, size=7)
    [loaded] = BrokerTopic.objects.defer("api_info")
    loaded.is_public = True
    assert queries(loaded.save) == 1
    topic.refresh_from_db()
    assert (topic.is_public, topic.size, topic.api_info) == (True, 7, {"a": 1})
    topic.save()
    assert BrokerTopic.objects.get().size == json_size({"a": 1})
