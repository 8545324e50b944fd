"""Stored messages in the admin: found, sent again, and never written."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from dasf_broker.domain.events import MessagePublished
from dasf_broker.models import Acknowledgement, BrokerMessage, BrokerTopic, ResponseTopic
from dasf_broker.operations import publish
from tests.conftest import MakeUser
from tests.doors.conftest import Publish

pytestmark = pytest.mark.django_db

LIST = "/admin/dasf_broker/brokermessage/"
REQUEST, ANSWER = UUID(int=0xABCD << 96), UUID(int=0x1234 << 96)


def test_rows_cost_no_queries(admin_client: Client, topic: BrokerTopic, producer: User) -> None:
    """A list of 200 messages takes as many queries as one of 20, and not many."""
    _fill(topic, producer, 0, 20)
    few = _queries(admin_client, 20)
    _fill(topic, producer, 20, 200)
    many = _queries(admin_client, 200)
    assert len(many) == len(few) <= 8


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"delivered": "yes"}, {REQUEST}),
        ({"delivered": "no"}, {ANSWER}),
        ({"response": "yes"}, {ANSWER}),
        ({"response": "no"}, {REQUEST}),
        ({"message_type__exact": "request"}, {REQUEST}),
        ({"age": "day"}, {REQUEST}),
        ({"age": "older"}, {ANSWER}),
        ({"q": str(REQUEST)}, {REQUEST}),
        ({"q": str(REQUEST)[:8]}, {REQUEST}),
        ({"q": "answers"}, {ANSWER}),
        ({"q": "producer"}, {REQUEST}),
        ({"q": "no such thing"}, set()),
    ],
)
def test_filters_and_search(
    query: dict[str, str],
    found: set[UUID],
    admin_client: Client,
    topic: BrokerTopic,
    producer: User,
    consumer: User,
) -> None:
    """Messages are found by what is known of them."""
    answers = ResponseTopic.objects.create(slug="answers", is_response_for=topic)
    request = _message(topic, message_id=REQUEST, user=producer)
    old = timezone.now() - timedelta(days=30)
    _message(answers, message_id=ANSWER, message_type="response", date_created=old)
    Acknowledgement.objects.create(message=request, user=consumer)
    shown = admin_client.get(LIST, query).context["cl"].result_list
    assert {message.message_id for message in shown} == found


def test_messages_of_one_topic(admin_client: Client, topic: BrokerTopic) -> None:
    """The number of stored messages in the list of topics leads to these messages."""
    other = BrokerTopic.objects.create(slug="other")
    mine, _other = _message(topic), _message(other)
    page = admin_client.get("/admin/dasf_broker/brokertopic/").content.decode()
    link = f"{LIST}?topic__id__exact={topic.pk}"
    assert f'<a href="{link}">1</a>' in page
    assert list(admin_client.get(link).context["cl"].result_list) == [mine]


def test_deliver_again(
    admin_client: Client,
    topic: BrokerTopic,
    producer: User,
    publish_text: Publish,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Chosen messages go out once more, oldest first, with what they carry."""
    for text in ("one", "two", "three"):
        publish_text(producer, topic, text)
    chosen = list(topic.brokermessage_set.filter(sequence__in=[1, 3]).order_by("sequence"))
    announced: list[MessagePublished] = []
    monkeypatch.setattr(publish, "announce_on_commit", announced.extend)
    assert "2 messages were sent again." in _act(admin_client, chosen, action="deliver")
    assert [event.message_id for event in announced] == [each.message_id for each in chosen]
    assert [event.content for event in announced] == [each.content for each in chosen]


def test_ping_topic(admin_client: Client, topic: BrokerTopic) -> None:
    """The topic of the chosen messages is pinged, once, and no other."""
    other = BrokerTopic.objects.create(slug="other")
    _message(other)
    chosen = [_message(topic), _message(topic, sequence=2)]
    assert "1 topic was pinged." in _act(admin_client, chosen, action="ping")
    assert set(BrokerTopic.objects.filter(last_ping__isnull=False)) == {topic}


@pytest.mark.parametrize("page", ["add/", "{pk}/delete/"])
def test_nothing_is_made_or_removed_by_hand(
    page: str, admin_client: Client, topic: BrokerTopic
) -> None:
    """Not even a superuser gets a form for that."""
    url = LIST + page.format(pk=_message(topic).pk)
    assert admin_client.get(url).status_code == 403
    assert admin_client.post(url, {"post": "yes"}).status_code == 403


def test_nothing_is_changed_by_hand(admin_client: Client, topic: BrokerTopic) -> None:
    """The page of a message has no field to write into, and takes nothing."""
    message = _message(topic)
    page = admin_client.get(f"{LIST}{message.pk}/change/").content.decode()
    assert 'name="_save"' not in page
    assert admin_client.post(f"{LIST}{message.pk}/change/", {}).status_code == 403
    assert "delete_selected" not in admin_client.get(LIST).content.decode()


@pytest.mark.parametrize(
    ("codenames", "actions"),
    [
        (["view_brokermessage"], set()),
        (["view_brokermessage", "change_brokermessage"], {"deliver"}),
        (["view_brokermessage", "change_brokertopic"], {"ping"}),
    ],
)
def test_actions_need_rights(
    codenames: list[str], actions: set[str], make_user: MakeUser, topic: BrokerTopic
) -> None:
    """Who may only look is offered nothing else."""
    _message(topic)
    client = _staff(make_user, *codenames)
    form = client.get(LIST).context["action_form"]
    offered = {name for name, _ in form.fields["action"].choices if name} if form else set()
    assert offered == actions


def test_staff_without_rights_sees_nothing(make_user: MakeUser, topic: BrokerTopic) -> None:
    """Being staff alone shows no message."""
    client = _staff(make_user)
    for url in (LIST, f"{LIST}{_message(topic).pk}/change/"):
        assert client.get(url).status_code == 403


def _fill(topic: BrokerTopic, user: User, start: int, stop: int) -> None:
    for number in range(start, stop):
        message = _message(topic, sequence=number + 1, user=user)
        Acknowledgement.objects.create(message=message, user=user)


def _queries(client: Client, rows: int) -> list[Any]:
    client.get(LIST)  # what is cached once in a process is cached now
    with CaptureQueriesContext(connection) as captured:
        response = client.get(LIST, {"all": ""})
    assert len(response.context["cl"].result_list) == rows
    return captured.captured_queries


def _act(client: Client, chosen: list[BrokerMessage], **values: str) -> str:
    keys = [message.pk for message in chosen]
    response = client.post(LIST, {"_selected_action": keys, **values}, follow=True)
    assert response.status_code == 200
    return response.content.decode()


def _message(topic: BrokerTopic, **fields: Any) -> BrokerMessage:
    content = {"messageId": str(uuid4()), "properties": {}, "payload": ""}
    known = {"message_id": uuid4(), "sequence": 1, "message_type": "request", "content": content}
    return BrokerMessage.objects.create(topic=topic, **known | fields)


def _staff(make_user: MakeUser, *codenames: str) -> Client:
    staff = make_user("staff", is_staff=True)
    staff.user_permissions.add(*Permission.objects.filter(codename__in=codenames))
    client = Client()
    client.force_login(staff)
    return client
