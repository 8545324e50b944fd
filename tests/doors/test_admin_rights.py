"""guardian's pages for object permissions, on our own tables and through our operations."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.test import Client
from django.urls import NoReverseMatch, reverse

from dasf_broker.domain.events import TopicAppeared
from dasf_broker.models import (
    Acknowledgement,
    BrokerTopic,
    BrokerTopicGroupPermission,
    BrokerTopicUserPermission,
    ResponseTopic,
)
from dasf_broker.operations import topics
from dasf_broker.permissions import Right, grant
from tests.conftest import MakeUser
from tests.doors.conftest import Publish

pytestmark = pytest.mark.django_db

CONSUME, PRODUCE = Right.CONSUME.value, Right.PRODUCE.value


@pytest.fixture
def holders(topic: BrokerTopic, stranger: User) -> dict[str, tuple[Any, Any]]:
    """Return a user and a group, each with the table of their kind's rights."""
    return {
        "user": (stranger, BrokerTopicUserPermission),
        "group": (Group.objects.create(name="readers"), BrokerTopicGroupPermission),
    }


@pytest.mark.parametrize("kind", ["user", "group"])
def test_give_and_take(
    kind: str, admin_client: Client, topic: BrokerTopic, holders: dict[str, tuple[Any, Any]]
) -> None:
    """What is chosen is held, in the tables that the broker asks; the rest is not."""
    holder, table = holders[kind]
    for chosen in ([PRODUCE, CONSUME], [CONSUME, "change_brokertopic"], []):
        page = _save(admin_client, topic, kind, holder.pk, chosen)
        assert "Permissions saved." in page
        assert set(table.objects.values_list("permission__codename", flat=True)) == set(chosen)


@pytest.mark.parametrize("kind", ["user", "group"])
def test_page_shows_what_is_held(
    kind: str, admin_client: Client, topic: BrokerTopic, holders: dict[str, tuple[Any, Any]]
) -> None:
    """The page of a topic lists who holds what, and leads on to the forms."""
    holder, _table = holders[kind]
    grant(holder, topic, Right.PRODUCE)
    url = reverse("admin:dasf_broker_brokertopic_permissions", args=[topic.pk])
    shown = admin_client.get(url).context
    assert dict(shown[f"{kind}s_perms"]) == {holder: [PRODUCE]}
    form_url = _form_url(topic, kind, holder.pk)
    answer = admin_client.post(url, {kind: str(holder), f"submit_manage_{kind}": "1"})
    assert answer.headers["Location"] == form_url
    form = admin_client.get(form_url).context["form"]
    assert form.fields["permissions"].initial == [PRODUCE]
    offered = {codename for codename, _name in form.fields["permissions"].choices}
    assert offered == topics.GRANTABLE


def test_taking_settles_messages(
    admin_client: Client, make_user: MakeUser, producer: User, publish_text: Publish
) -> None:
    """Taking the right of the last consumer who was missing removes the message."""
    topic = BrokerTopic.objects.get(slug="topic")
    BrokerTopic.objects.filter(pk=topic.pk).update(store_messages="cacheall")
    done, missing = [make_user(name, topic, Right.CONSUME) for name in ("done", "missing")]
    publish_text(producer, topic)
    Acknowledgement.objects.create(message=topic.brokermessage_set.get(), user=done)
    _save(admin_client, topic, "user", missing.pk, [])
    assert not topic.brokermessage_set.exists()


def test_giving_is_announced(
    admin_client: Client, topic: BrokerTopic, stranger: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who waits for the topic is woken."""
    announced: list[Any] = []
    monkeypatch.setattr(topics, "announce_on_commit", announced.extend)
    _save(admin_client, topic, "user", stranger.pk, [CONSUME])
    assert announced == [TopicAppeared(topic_slug="topic")]


def test_rights_of_response_topics_are_those_of_topics(
    admin_client: Client, topic: BrokerTopic, stranger: User
) -> None:
    """The page of a response topic leads to the rights where they are looked for."""
    answers = ResponseTopic.objects.create(slug="answers", is_response_for=topic)
    page = admin_client.get(reverse("admin:dasf_broker_responsetopic_change", args=[answers.pk]))
    url = reverse("admin:dasf_broker_brokertopic_permissions", args=[answers.pk])
    assert page.content.decode().count(f'href="{url}"') == 1
    assert f"responsetopic/{answers.pk}/permissions" not in page.content.decode()
    with pytest.raises(NoReverseMatch):
        reverse("admin:dasf_broker_responsetopic_permissions", args=[answers.pk])
    _save(admin_client, answers, "user", stranger.pk, [CONSUME])
    assert set(answers.consumers) == {stranger}


def test_only_who_may_change_topics(topic: BrokerTopic, make_user: MakeUser) -> None:
    """Who may only look at topics neither sees nor gives rights."""
    staff = make_user("staff", is_staff=True)
    staff.user_permissions.add(Permission.objects.get(codename="view_brokertopic"))
    client = Client()
    client.force_login(staff)
    url = reverse("admin:dasf_broker_brokertopic_permissions", args=[topic.pk])
    assert client.get(url).headers["Location"] == "/admin/"
    client.post(_form_url(topic, "user", staff.pk), {"permissions": [CONSUME]})
    assert not BrokerTopicUserPermission.objects.filter(user=staff).exists()


def _form_url(topic: BrokerTopic, kind: str, pk: int) -> str:
    return reverse(f"admin:dasf_broker_brokertopic_permissions_manage_{kind}", args=[topic.pk, pk])


def _save(client: Client, topic: BrokerTopic, kind: str, pk: int, chosen: list[str]) -> str:
    # A browser never sends an empty form: the token against forgery is always in it.
    values = {"permissions": chosen, "csrfmiddlewaretoken": "any"}
    response = client.post(_form_url(topic, kind, pk), values, follow=True)
    assert response.status_code == 200
    return response.content.decode()
