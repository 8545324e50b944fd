"""What can be done with topics in the admin: each action is an operation."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django.fixtures import Settings

from dasf_broker.models import Acknowledgement, BrokerMessage, BrokerTopic, ResponseTopic
from dasf_broker.permissions import Right, rights_on
from tests.conftest import MakeUser

pytestmark = pytest.mark.django_db

TOPICS = "admin:dasf_broker_brokertopic_changelist"
ANSWERS = "admin:dasf_broker_responsetopic_changelist"
CONFIRM = {"action": "purge", "confirmed": "yes"}


@pytest.mark.parametrize("url", [TOPICS, ANSWERS])
def test_ping(url: str, admin_client: Client, topic: BrokerTopic) -> None:
    """The action pings what was chosen, and nothing else."""
    chosen = ResponseTopic.objects.create(slug="answers", is_response_for=topic)
    _act(admin_client, url, [chosen], action="ping")
    assert set(BrokerTopic.objects.filter(last_ping__isnull=False)) == {chosen.brokertopic_ptr}


def test_collect_garbage(admin_client: Client, topic: BrokerTopic) -> None:
    """The action removes what is due among the chosen topics."""
    past = timezone.now() - timedelta(minutes=1)
    due, kept = [
        ResponseTopic.objects.create(slug=slug, is_response_for=topic, garbage_collect_on=past)
        for slug in ("due", "not-chosen")
    ]
    page = _act(admin_client, TOPICS, [topic, due], action="collect")
    assert "1 topic was removed." in page
    assert set(BrokerTopic.objects.values_list("slug", flat=True)) == {"topic", kept.slug}


def test_purge_asks_first(admin_client: Client, topic: BrokerTopic) -> None:
    """Nothing is removed before it was confirmed, and the page says what would be."""
    _messages(topic, 3)
    page = _act(admin_client, TOPICS, [topic], action="purge")
    assert "3 stored messages will be removed" in page
    assert f'name="_selected_action" value="{topic.pk}"' in page
    assert topic.brokermessage_set.count() == 3


def test_purge_of_very_many(admin_client: Client) -> None:
    """All that the list shows are purged without being named, which would be too much to read."""
    topics = BrokerTopic.objects.bulk_create(BrokerTopic(slug=f"t{n:04}") for n in range(1100))
    _messages(topics[0], 1)
    _messages(topics[-1], 2)
    page = _act(admin_client, TOPICS, topics[:1], action="purge", select_across="1")
    assert "3 stored messages will be removed" in page
    assert "1000 more topics" in page
    assert page.count('name="_selected_action"') == 1
    assert 'name="select_across" value="1"' in page
    _act(admin_client, TOPICS, topics[:1], select_across="1", **CONFIRM)
    assert not BrokerMessage.objects.exists()


@pytest.mark.parametrize("url", [TOPICS, ANSWERS])
def test_purge_confirmed(url: str, admin_client: Client, topic: BrokerTopic) -> None:
    """Confirmed, the messages of the chosen topics go, and of no other."""
    chosen = ResponseTopic.objects.create(slug="answers", is_response_for=topic)
    _messages(topic, 1)
    _messages(chosen, 2)
    assert "2 messages were removed." in _act(admin_client, url, [chosen], **CONFIRM)
    assert (chosen.brokermessage_set.count(), topic.brokermessage_set.count()) == (0, 1)


def test_creator_gets_rights(admin_client: Client, make_user: MakeUser) -> None:
    """A topic made here is made as everywhere: whoever makes it may manage it."""
    staff = make_user("staff", is_staff=True)
    _permit(staff, "add_brokertopic", "view_brokertopic")
    values = {"slug": "new", "is_public": "on", "store_messages": ""}
    _sign_in(staff).post(reverse("admin:dasf_broker_brokertopic_add"), values)
    topic = BrokerTopic.objects.get(slug="new", is_public=True, store_messages=None)
    assert rights_on(staff, topic).may_delete
    page = admin_client.post(reverse("admin:dasf_broker_brokertopic_add"), values)
    assert "already exists" in page.content.decode()


def test_change_follows_the_storage_rule(admin_client: Client, make_user: MakeUser) -> None:
    """A changed policy settles messages and expires cursors, as over GraphQL."""
    topic = BrokerTopic.objects.create(slug="topic", store_messages="store")
    reader = make_user("reader", topic, Right.CONSUME)
    Acknowledgement.objects.create(message=_messages(topic, 1)[0], user=reader)
    for policy in ("disabled", "cache"):
        _change(admin_client, topic, slug="ignored", store_messages=policy)
    topic.refresh_from_db()
    assert (topic.slug, topic.store_messages) == ("topic", "cache")
    assert not topic.brokermessage_set.exists()
    assert topic.expired_sequence == topic.last_sequence > 0


def test_limits_are_changed(admin_client: Client, topic: BrokerTopic) -> None:
    """Each by itself; an empty one is none, and what is no limit is told in the form."""
    _change(admin_client, topic, retention_age="60", retention_count="5")
    _change(admin_client, topic, retention_age="", retention_count="5")
    page = _change(admin_client, topic, retention_age="0", retention_count="9999999999")
    topic.refresh_from_db()
    assert (topic.retention_age, topic.retention_count) == (None, 5)
    assert "greater than or equal to 1" in page
    assert "less than or equal to 1000000000" in page


class EverythingGoes:
    """A backend of a host that allows everything, without a row that says so."""

    def has_perm(self, *_arguments: Any) -> bool:
        """Allow it."""
        return True


def test_refusals_are_told(settings: Settings, make_user: MakeUser, topic: BrokerTopic) -> None:
    """Where Django's admin would and the operation does not, the page says why."""
    own = f"{__name__}.EverythingGoes"
    settings.AUTHENTICATION_BACKENDS = [*settings.AUTHENTICATION_BACKENDS, own]
    client = _sign_in(make_user("staff", is_staff=True))
    page = _change(client, topic, is_public="on")
    topic.refresh_from_db()
    assert not topic.is_public
    assert "There is no topic &#x27;topic&#x27; that you may see." in page


def test_delete_takes_the_answers_along(
    admin_client: Client, topic: BrokerTopic, django_assert_max_num_queries: Any
) -> None:
    """Deleting is announced by its operation; the page before counts and lists no messages."""
    chosen = ResponseTopic.objects.create(slug="answers", is_response_for=topic)
    _messages(topic, 50)
    with django_assert_max_num_queries(25):
        page = _act(admin_client, TOPICS, [topic, chosen], action="delete_selected")
    assert "Messages: 50" in page
    _act(admin_client, TOPICS, [topic, chosen], action="delete_selected", post="yes")
    assert not BrokerTopic.objects.exists()


def test_delete_one(admin_client: Client, topic: BrokerTopic) -> None:
    """The page of a topic can delete it."""
    url = reverse("admin:dasf_broker_brokertopic_delete", args=[topic.pk])
    assert "topics: 1" in admin_client.get(url).content.decode().lower()
    admin_client.post(url, {"post": "yes"})
    assert not BrokerTopic.objects.exists()


@pytest.mark.parametrize(
    ("codenames", "actions"),
    [
        (["view_brokertopic"], set()),
        (["change_brokertopic"], {"ping"}),
        (["delete_brokertopic", "view_brokertopic"], {"collect", "delete_selected", "purge"}),
    ],
)
@pytest.mark.parametrize("url", [TOPICS, ANSWERS])
def test_actions_need_rights(
    url: str, codenames: list[str], actions: set[str], make_user: MakeUser, topic: BrokerTopic
) -> None:
    """Who may only look is offered nothing else, and asking for it all the same does nothing."""
    ResponseTopic.objects.create(slug="answers", is_response_for=topic)
    staff = make_user("staff", is_staff=True)
    _permit(staff, *codenames)
    client = _sign_in(staff)
    form = client.get(reverse(url)).context["action_form"]
    offered = {name for name, _ in form.fields["action"].choices if name} if form else set()
    assert offered == actions
    _messages(topic, 1)
    if "purge" not in actions:
        _act(client, TOPICS, [topic], **CONFIRM)
        assert topic.brokermessage_set.exists()


@pytest.mark.parametrize("url", [TOPICS, ANSWERS])
def test_staff_without_rights_sees_nothing(url: str, make_user: MakeUser) -> None:
    """Being staff alone opens no page of the broker's."""
    client = _sign_in(make_user("staff", is_staff=True))
    assert client.get(reverse(url)).status_code == 403
    assert "dasf_broker" not in client.get("/admin/").content.decode()


def _act(client: Client, url: str, chosen: Iterable[BrokerTopic], **values: str) -> str:
    keys = [topic.pk for topic in chosen]
    response = client.post(reverse(url), {"_selected_action": keys, **values}, follow=True)
    assert response.status_code == 200
    return response.content.decode()


def _change(client: Client, topic: BrokerTopic, **values: str) -> str:
    url = reverse("admin:dasf_broker_brokertopic_change", args=[topic.pk])
    response = client.post(url, values, follow=True)
    assert response.status_code == 200
    return response.content.decode()


def _messages(topic: BrokerTopic, count: int) -> list[BrokerMessage]:
    BrokerTopic.objects.filter(pk=topic.pk).update(last_sequence=count)
    return BrokerMessage.objects.bulk_create(
        BrokerMessage(
            topic=topic, message_id=uuid4(), sequence=number, message_type="info", content={}
        )
        for number in range(1, count + 1)
    )


def _permit(user: User, *codenames: str) -> None:
    user.user_permissions.add(*Permission.objects.filter(codename__in=codenames))


def _sign_in(user: User) -> Client:
    client = Client()
    client.force_login(user, "django.contrib.auth.backends.ModelBackend")
    return client
