"""The pages about one topic: its status, and a ping."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from http import HTTPStatus
from typing import Any, NoReturn

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.db import OperationalError, connections
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from dasf_broker import database
from dasf_broker.auth import create_token
from dasf_broker.domain.events import TopicPinged
from dasf_broker.models import BrokerTopic
from dasf_broker.permissions import Right, grant
from dasf_broker.runtime import current
from tests.conftest import MakeTopic, MakeUser

#: The broker reads and writes in threads of its own.
pytestmark = pytest.mark.django_db(transaction=True)


def url(page: str, slug: str = "topic") -> str:
    """Return the address of a page."""
    return reverse(f"dasf_broker:brokertopic-{page}", args=[slug])


def logged_in(user: User | None) -> Client:
    """Return a browser in which the user is logged in; nobody is where there is none."""
    client = Client(enforce_csrf_checks=True)
    if user is not None:
        client.force_login(user)
    return client


def test_addresses() -> None:
    """The addresses are those of the reference API."""
    assert (url("status"), url("ping")) == ("/topic/status/", "/topic/ping/")


@pytest.mark.parametrize(
    ("heartbeat", "expected"),
    [
        ({"last_ping": 5, "last_pong": 4}, (200, "online")),
        ({"last_ping": 5, "last_pong": 6}, (503, "offline")),
        ({"last_ping": 5}, (503, "offline")),
        ({"last_ping": 130, "last_pong": 129}, (503, "unknown")),
        ({}, (503, "unknown")),
    ],
)
def test_status(
    topic: BrokerTopic, producer: User, heartbeat: dict[str, int], expected: tuple[int, str]
) -> None:
    """The HTTP status tells whether consumers answer; nothing stores it."""
    for name, seconds in heartbeat.items():
        setattr(topic, name, timezone.now() - timedelta(seconds=seconds))
    topic.save()
    response = logged_in(producer).get(url("status"))
    facts = response.json()
    assert (response.status_code, facts["status"]) == expected
    assert facts["topic"] == "topic"
    assert response["Cache-Control"] == "no-store"


def test_topic_without_heartbeat(make_topic: MakeTopic, superuser: User) -> None:
    """A topic whose consumers answer no pings has no status."""
    make_topic("plain", supports_dasf=False, last_ping=timezone.now(), last_pong=timezone.now())
    assert logged_in(superuser).get(url("status", "plain")).status_code == HTTPStatus.BAD_REQUEST


@pytest.mark.parametrize("right", [Right.VIEW_STATUS, Right.PRODUCE, Right.CONSUME])
@pytest.mark.parametrize("where", ["topic", "group", "everywhere"])
def test_who_sees_the_status(
    topic: BrokerTopic, make_user: MakeUser, right: Right, where: str
) -> None:
    """Each of the three rights lets see the status, on the topic or on all of them."""
    user = make_user("viewer")
    give(user, topic, right, where)
    assert logged_in(user).get(url("status")).status_code == HTTPStatus.SERVICE_UNAVAILABLE


@pytest.mark.parametrize("page", ["status", "ping"])
@pytest.mark.parametrize("slug", ["topic", "nowhere", "x" * 129])
@pytest.mark.parametrize("anonymous", [True, False], ids=["anonymous", "stranger"])
def test_hidden_and_missing_alike(
    topic: BrokerTopic, stranger: User, page: str, slug: str, anonymous: bool
) -> None:
    """Whoever may not see a topic learns nothing of it."""
    response = logged_in(None if anonymous else stranger).get(url(page, slug))
    assert response.status_code == HTTPStatus.NOT_FOUND
    topic.refresh_from_db()
    assert topic.last_ping is None
    if slug == "topic":
        missing = logged_in(None if anonymous else stranger).get(url(page, "nowhere"))
        assert response.content.replace(b"'topic'", b"'nowhere'") == missing.content
        assert response.headers.keys() == missing.headers.keys()


def test_public_topic(make_topic: MakeTopic) -> None:
    """Everybody may see and ping a public topic."""
    public = make_topic("open", is_public=True, supports_dasf=True)
    response = logged_in(None).get(url("ping", "open"), follow=True)
    assert response.redirect_chain == [(url("status", "open"), HTTPStatus.FOUND)]
    assert response.json()["status"] == "offline"
    public.refresh_from_db()
    assert public.last_ping is not None


@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize("where", ["topic", "group", "everywhere"])
def test_ping(topic: BrokerTopic, make_user: MakeUser, method: str, where: str) -> None:
    """Producers ping, by GET or POST, and are led to the status."""
    user = make_user("pinger")
    give(user, topic, Right.PRODUCE, where)
    response = getattr(logged_in(user), method)(url("ping"))
    assert (response.status_code, response["Location"]) == (HTTPStatus.FOUND, url("status"))
    topic.refresh_from_db()
    assert topic.last_ping is not None


@pytest.mark.parametrize("right", [Right.VIEW_STATUS, Right.CONSUME])
def test_ping_is_forbidden(topic: BrokerTopic, make_user: MakeUser, right: Right) -> None:
    """Whoever sees the topic but may not publish to it is told so."""
    response = logged_in(make_user("viewer", topic, right)).get(url("ping"))
    assert (response.status_code, response.json()["code"]) == (HTTPStatus.FORBIDDEN, "FORBIDDEN")
    topic.refresh_from_db()
    assert topic.last_ping is None


@pytest.mark.parametrize("scheme", ["Bearer", "Token"])
def test_token(topic: BrokerTopic, producer: User, scheme: str) -> None:
    """A script needs no session."""
    _, key = create_token(producer)
    headers: Any = {"authorization": f"{scheme} {key}"}
    response = logged_in(None).post(url("ping"), headers=headers)
    assert response.status_code == HTTPStatus.FOUND


@pytest.mark.parametrize("page", ["status", "ping"])
def test_wrong_token(make_topic: MakeTopic, page: str) -> None:
    """A wrong token is refused, even where nobody needs one."""
    make_topic("open", is_public=True)
    response = logged_in(None).get(url(page, "open"), headers={"authorization": "Bearer x"})
    assert response.status_code == HTTPStatus.UNAUTHORIZED


def test_status_is_not_posted_to(topic: BrokerTopic, superuser: User) -> None:
    """The status is only read."""
    client = Client()
    client.force_login(superuser)
    assert client.post(url("status")).status_code == HTTPStatus.METHOD_NOT_ALLOWED


def give(user: User, topic: BrokerTopic, right: Right, where: str) -> None:
    """Give the user a right in one of the ways in which it can be held."""
    if where == "topic":
        grant(user, topic, right)
    elif where == "group":
        group = Group.objects.create(name="group")
        user.groups.add(group)
        grant(group, topic, right)
    else:
        user.user_permissions.add(
            Permission.objects.get(content_type__app_label="dasf_broker", codename=right)
        )


@pytest.mark.parametrize(
    ("path", "status"), [("/topic/status/", 503), ("/topic/ping/", 302), ("/graphql/", 200)]
)
def test_transactions_of_requests(
    topic: BrokerTopic, producer: User, path: str, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They may be on in any database of the host: these views do without."""
    for alias in connections:
        monkeypatch.setitem(connections.settings[alias], "ATOMIC_REQUESTS", True)
    response = logged_in(producer).get(path, headers={"accept": "text/html"})
    assert response.status_code == status


@pytest.mark.parametrize("page", ["status", "ping"])
def test_database_that_does_not_answer(
    topic: BrokerTopic, producer: User, page: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page says so, with the code that clients retry."""

    def fail(*_: Any, **__: Any) -> NoReturn:
        raise OperationalError("the secret")

    monkeypatch.setattr("dasf_broker.operations.access.AccessTable", fail)
    response = logged_in(producer).get(url(page))
    assert response.status_code == HTTPStatus.SERVICE_UNAVAILABLE
    assert response.json()["code"] == "UNAVAILABLE"
    assert b"secret" not in response.content


async def test_ping_is_announced_before_it_is_answered(
    topic: BrokerTopic, producer: User, hub_lifetime: None
) -> None:
    """Under WSGI the event loop of the view ends with it, and what it leaves behind is lost."""
    async with current().hub.subscription(topic.pk, {TopicPinged}) as (mailbox, _):
        browser = await database.read(logged_in, producer)
        response = await asyncio.to_thread(browser.get, url("ping"))
        assert response.status_code == HTTPStatus.FOUND
        async with asyncio.timeout(5):
            delivery = await mailbox.get()
    assert delivery is not None
    assert delivery.event.topic_slug == "topic"  # type: ignore[attr-defined]
