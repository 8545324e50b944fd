"""The names of the reference system, dasf-broker-django: each exists and means the same."""

from __future__ import annotations

from datetime import timedelta
from enum import Enum
from itertools import product
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.db import models
from django.test import RequestFactory
from django.urls import resolve
from django.utils import timezone
from pytest_django import Settings

from dasf_broker import app_settings, routing, urls, views
from dasf_broker.app_settings import StoreMessageOptions
from dasf_broker.models import (
    BrokerMessage,
    BrokerTopic,
    BrokerTopicManager,
    BrokerTopicQuerySet,
    ResponseTopic,
)
from dasf_broker.permissions import Right, grant
from tests.conftest import MakeTopic, MakeUser

pytestmark = pytest.mark.django_db

ENVELOPE: dict[str, Any] = {"properties": {}, "payload": "aGVsbG8="}

TOPIC_FIELDS = """
    id slug is_public date_created last_ping last_pong supports_dasf store_messages
    garbage_collect_on api_info brokermessage responsetopic responsetopics
"""


# --- settings ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "default", "other"),
    [
        ("DASF_CREATE_TOPIC_ON_MESSAGE", True, False),
        ("DASF_STORE_MESSAGES", StoreMessageOptions.CACHE, "store"),
        ("DASF_STORE_RESPONSE_MESSAGES", StoreMessageOptions.CACHE, "disabled"),
        ("DASF_STORE_SOURCE_MESSAGES", StoreMessageOptions.CACHE, "cacheall"),
        ("DASF_WEBSOCKET_URL_ROUTE", "ws/", "broker/"),
        ("ROOT_URL", None, "http://localhost:8000"),
    ],
)
def test_settings(settings: Settings, name: str, default: Any, other: Any) -> None:
    """Settings have the default of the reference, and a changed one counts at once."""
    assert getattr(app_settings, name) == default
    setattr(settings, name, other)
    assert getattr(app_settings, name) == other
    assert type(getattr(app_settings, name)) is (type(default) if default is not None else str)


def test_store_settings_fall_back(settings: Settings, make_topic: MakeTopic) -> None:
    """The rules for the two kinds of topics fall back to the common one."""
    source = make_topic("source")
    answers = ResponseTopic.objects.create(slug="answers", is_response_for=source)
    settings.DASF_STORE_MESSAGES = "store"
    assert [each.effective_store_messages for each in (source, answers)] == ["store", "store"]
    settings.DASF_STORE_RESPONSE_MESSAGES = "disabled"
    settings.DASF_STORE_SOURCE_MESSAGES = "cacheall"
    assert [each.effective_store_messages for each in (source, answers)] == ["cacheall", "disabled"]
    source.store_messages = BrokerTopic.StoreMessageChoices.CACHE
    assert source.effective_store_messages is BrokerTopic.StoreMessageChoices.CACHE


@pytest.mark.parametrize("choices", [StoreMessageOptions, BrokerTopic.StoreMessageChoices])
def test_store_options(choices: type[Enum]) -> None:
    """The four rules have their names and values; both enumerations are texts."""
    names = {"CACHE": "cache", "CACHEALL": "cacheall", "DISABLED": "disabled", "STORE": "store"}
    assert {each.name: each.value for each in choices} == names
    assert issubclass(choices, str)
    assert issubclass(BrokerTopic.StoreMessageChoices, models.TextChoices)


# --- models -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "names"),
    [
        (
            BrokerTopic,
            TOPIC_FIELDS,
        ),
        (
            BrokerMessage,
            "id message_id context topic user content date_created delivered_to responsetopic",
        ),
        (ResponseTopic, "brokertopic_ptr is_response_for source_messages slug"),
    ],
)
def test_fields(model: type[models.Model], names: str) -> None:
    """The columns and relations of the reference exist."""
    assert {*names.split()} <= {field.name for field in model._meta.get_fields()}


def test_reverse_accessors(topic: BrokerTopic, producer: User) -> None:
    """Relations are reached from the other side by the names of the reference."""
    answers = ResponseTopic.objects.create(slug="answers", is_response_for=topic)
    topic.create_and_send_message(producer, ENVELOPE)
    message = topic.brokermessage_set.get()
    answers.source_messages.add(message)
    assert message.responsetopic_set.get() == answers
    assert topic.responsetopics.get() == answers
    assert BrokerTopic.objects.get(slug="answers").responsetopic == answers
    assert answers.brokertopic_ptr.is_response_topic
    assert answers.is_response_topic
    assert not topic.is_response_topic
    assert not message.is_response


def test_object_permissions() -> None:
    """The three rights are permissions on topics."""
    rights = Permission.objects.filter(content_type__model="brokertopic")
    assert {"can_produce", "can_consume", "can_view_status", "add_brokertopic"} <= {
        *rights.values_list("codename", flat=True)
    }


@pytest.mark.parametrize(
    ("name", "right"),
    [
        ("consumers", Right.CONSUME),
        ("producers", Right.PRODUCE),
        ("status_viewers", Right.VIEW_STATUS),
    ],
)
def test_people(
    topic: BrokerTopic, make_user: MakeUser, superuser: User, name: str, right: Right
) -> None:
    """The holders of each right are a queryset of users."""
    holder = make_user("holder", topic, right)
    found = getattr(topic, name)
    assert isinstance(found, models.QuerySet)
    assert [*found] == [holder]
    assert holder.has_perm(f"dasf_broker.{right}", topic)


def test_create_and_send_message(topic: BrokerTopic, producer: User, consumer: User) -> None:
    """A message sent in the name of a user is stored; one `message_id` is one row of a topic."""
    topic.create_and_send_message(producer, {**ENVELOPE, "context": 3})
    message = topic.brokermessage_set.get()
    assert (message.user, message.context, message.content["payload"]) == (producer, 3, "aGVsbG8=")
    assert str(message.message_id) == message.content["messageId"]
    topic.create_and_send_message(producer, message.content)
    assert topic.brokermessage_set.count() == 1
    message.send()
    assert not message.delivered_to_all
    message.delivered_to.add(consumer)
    assert message.delivered_to_all


def test_outstanding_messages(topic: BrokerTopic, producer: User, consumer: User) -> None:
    """Without a user: what nobody acknowledged; with one: what they did not."""
    for _ in range(2):
        topic.create_and_send_message(producer, ENVELOPE)
    first, second = topic.brokermessage_set.order_by("sequence")
    first.delivered_to.add(consumer)
    assert [*topic.get_outstanding_messages()] == [second]
    assert [*topic.get_outstanding_messages(consumer)] == [second]
    assert [*topic.get_outstanding_messages(producer)] == [first, second]


def test_websocket_urls(topic: BrokerTopic, settings: Settings, rf: RequestFactory) -> None:
    """Addresses follow the request, or `ROOT_URL` behind a proxy."""
    request = rf.get("/", headers={"host": "testserver"})
    assert BrokerTopic.build_websocket_url(request) == "ws://testserver/ws/"
    assert BrokerTopic.build_websocket_url(request, "route") == "ws://testserver/ws/route"
    assert topic.get_websocket_url(request) == "ws://testserver/ws/topic"
    settings.ROOT_URL = "https://broker.example/"
    settings.DASF_WEBSOCKET_URL_ROUTE = "socket/"
    assert topic.get_websocket_url(request) == "wss://broker.example/socket/topic"
    settings.DASF_WEBSOCKET_URL_ROUTE = ""
    assert topic.get_websocket_url(request) == "wss://broker.example/topic"


def test_ping(topic: BrokerTopic) -> None:
    """A ping is noted and makes the topic offline until it is answered."""
    topic.ping()
    topic.refresh_from_db()
    assert topic.last_ping is not None
    assert topic.availability is False


def test_availability_and_its_filters(make_topic: MakeTopic) -> None:
    """The three filters partition all topics, and agree with the property row by row."""
    moments = [None, 0, 60, 90, 150, 3600]  # seconds ago
    now = timezone.now()
    for number, (ping, pong, dasf) in enumerate(product(moments, moments, [True, False])):
        ago = [None if each is None else now - timedelta(seconds=each) for each in (ping, pong)]
        make_topic(f"t{number}", last_ping=ago[0], last_pong=ago[1], supports_dasf=dasf)
    assert isinstance(BrokerTopic.objects, BrokerTopicManager)
    assert isinstance(BrokerTopic.objects.all(), BrokerTopicQuerySet)
    filters = {
        True: BrokerTopic.objects.filter_online,
        False: BrokerTopic.objects.filter_offline,
        None: BrokerTopic.objects.filter_unknown_availability,
    }
    for answer, chosen in filters.items():
        expected = {each.pk for each in BrokerTopic.objects.all() if each.availability is answer}
        assert {each.pk for each in chosen()} == expected
        assert expected
    assert sum(chosen().count() for chosen in filters.values()) == BrokerTopic.objects.count()
    one = BrokerTopic.objects.filter_online().first()
    assert [*BrokerTopic.objects.filter_online(slug=one.slug)] == [one]


# --- addresses --------------------------------------------------------------------------------


def test_urls_and_views() -> None:
    """The pages have the names, addresses and classes of the reference."""
    assert urls.app_name == "dasf_broker"
    pages = {"status": views.BrokerTopicStatusView, "ping": views.BrokerTopicPingView}
    for name, view in pages.items():
        match = resolve(f"/topic/{name}/")
        assert match.view_name == f"dasf_broker:brokertopic-{name}"
        assert match.func.view_class is view  # type: ignore[attr-defined]
    assert views.HttpResponseServiceUnavailable().status_code == 503


@pytest.mark.parametrize(
    ("path", "arguments"),
    [
        ("status-ping", {}),
        ("topic", {"slug": "topic"}),
        (
            "topic/backend-module-2026-01-01T10:00:00",
            {"slug": "topic", "subscription": "backend-module-2026-01-01T10:00:00"},
        ),
        (
            "topic_AbC/python-backend-2026-01-01T10:00:00.123456",
            {"slug": "topic_AbC", "subscription": "python-backend-2026-01-01T10:00:00.123456"},
        ),
    ],
)
def test_websocket_patterns(path: str, arguments: dict[str, str]) -> None:
    """The three sockets have the addresses of the reference, for the host's `URLRouter`."""
    matches = [pattern.resolve(path) for pattern in routing.websocket_urlpatterns]
    [first, *_] = [match for match in matches if match is not None]
    assert first.kwargs == arguments


def test_rights_by_guardian(topic: BrokerTopic, stranger: User) -> None:
    """Hosts ask for rights by Django's own `has_perm`."""
    assert not stranger.has_perm("dasf_broker.can_consume", topic)
    grant(stranger, topic, Right.CONSUME)
    fresh = User.objects.get(pk=stranger.pk)  # guardian remembers rights on the user object
    assert fresh.has_perm("dasf_broker.can_consume", topic)
