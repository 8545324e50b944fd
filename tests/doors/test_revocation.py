"""What runs when a right or a credential is taken away ends by itself, whatever way it went."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from importlib import import_module

import pytest
from django.conf import settings as django_settings
from django.contrib.auth.models import Group, User
from django.contrib.contenttypes.models import ContentType
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings
from rest_framework.authtoken.models import Token

from dasf_broker import database
from dasf_broker.auth import Credential, CredentialKind
from dasf_broker.auth import revocation as credential_revocation
from dasf_broker.auth.revocation import _valid
from dasf_broker.models import ApiToken, BrokerTopic, BrokerTopicUserPermission
from dasf_broker.operations.subscriptions import revocation
from dasf_broker.operations.subscriptions.revocation import _rights
from dasf_broker.permissions import Right, grant, revoke
from dasf_broker.runtime import current
from tests.conftest import MakeTopic, MakeUser
from tests.doors.clients import is_refusal
from tests.doors.conftest import OpenSocket, Publish
from tests.doors.dasf.frames import texts, to
from tests.doors.sockets import ClosedError, Socket
from tests.doors.waiting import until, until_heard

pytestmark = pytest.mark.django_db(transaction=True)

MESSAGES = 'subscription { messages(topic: "topic") { text } }'
PINGS = 'subscription { pings(topic: "topic") { pingedAt } }'
PONGS = 'subscription { pongs(topic: "topic") { pongedAt } }'
AVAILABILITY = 'subscription { availability(topic: "topic") { status } }'

Way = Callable[[User, BrokerTopic], object]


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look often, and know that it is often enough where nobody changes that."""
    assert credential_revocation.INTERVAL < 4
    assert revocation.INTERVAL < 4
    monkeypatch.setattr(credential_revocation.CREDENTIALS, "interval", 0.05)
    monkeypatch.setattr(revocation.RIGHTS, "interval", 0.05)


def _leave_group(user: User, topic: BrokerTopic) -> None:
    user.groups.clear()


def _group_loses_right(user: User, topic: BrokerTopic) -> None:
    revoke(Group.objects.get(), topic, Right.CONSUME)


def _group_is_deleted(user: User, topic: BrokerTopic) -> None:
    Group.objects.all().delete()


def _right_is_revoked(user: User, topic: BrokerTopic) -> None:
    revoke(user, topic, Right.CONSUME)


def _rows_are_deleted_in_bulk(user: User, topic: BrokerTopic) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"DELETE FROM {BrokerTopicUserPermission._meta.db_table}")  # noqa: S608


OWN_RIGHT: list[Way] = [_right_is_revoked, _rows_are_deleted_in_bulk]
GROUPS_RIGHT: list[Way] = [_leave_group, _group_loses_right, _group_is_deleted]


@pytest.mark.parametrize("take_away", [*OWN_RIGHT, *GROUPS_RIGHT])
@pytest.mark.parametrize("query", [MESSAGES, PINGS])
async def test_right_to_consume(
    enter: OpenSocket, make_user: MakeUser, topic: BrokerTopic, take_away: Way, query: str
) -> None:
    """The subscription ends with an error; others on the same socket go on."""
    user = await database.write(_reader, make_user, topic, in_group=take_away in GROUPS_RIGHT)
    socket: Socket = await enter(user)
    await socket.subscribe(query)
    await until_heard(topic)
    await database.write(take_away, user, topic)
    [error] = await socket.error()
    assert is_refusal(error, "FORBIDDEN")
    assert error["path"] == [query.split()[2].partition("(")[0]]
    await socket.subscribe("{ viewer { username } }", id_="2")
    assert await socket.data("2") == {"username": "reader"}


@pytest.mark.parametrize("query", [PONGS, AVAILABILITY])
async def test_topic_made_private(
    enter: OpenSocket, stranger: User, make_topic: MakeTopic, query: str
) -> None:
    """Who could see it only because it was public hears no more of it."""
    topic = await database.write(make_topic, "topic", is_public=True, supports_dasf=True)
    socket: Socket = await enter(stranger)
    await socket.subscribe(query)
    await until_heard(topic)
    if query is AVAILABILITY:
        assert await socket.data() == {"status": "UNKNOWN"}
    await database.write(BrokerTopic.objects.update, is_public=False)
    assert is_refusal((await socket.error())[0], "FORBIDDEN")


async def test_superuser_made_plain(enter: OpenSocket, superuser: User, topic: BrokerTopic) -> None:
    """A superuser's rights end with the mark."""
    socket: Socket = await enter(superuser)
    await socket.subscribe(MESSAGES)
    await until_heard(topic)
    await database.write(User.objects.update, is_superuser=False)
    assert is_refusal((await socket.error())[0], "FORBIDDEN")


async def test_nothing_is_delivered_afterwards(
    enter: OpenSocket,
    consumer: User,
    producer: User,
    topic: BrokerTopic,
    publish_text: Publish,
) -> None:
    """What is published after the right has gone, and before anybody looked, is not delivered."""
    socket: Socket = await enter(consumer)
    await socket.subscribe(MESSAGES)
    await until_heard(topic)
    await database.write(revoke, consumer, topic, Right.CONSUME)
    assert is_refusal((await socket.error())[0], "FORBIDDEN")
    await database.write(publish_text, producer, topic, "secret")
    assert await socket.hears_nothing()


async def test_dasf_consumer_waits_for_its_right(
    open_socket: OpenSocket,
    consumer: User,
    producer: User,
    topic: BrokerTopic,
    publish_text: Publish,
) -> None:
    """Its protocol knows no such error: it hears nothing, and all of it when it may again."""
    socket: Socket = await open_socket(**await to("topic/backend", consumer))
    await until_heard(topic)
    await database.write(revoke, consumer, topic, Right.CONSUME)
    await until(lambda: topic.pk not in current().hub.topics)
    await database.write(publish_text, producer, topic, "secret")
    assert await socket.hears_nothing(seconds=0.3)
    await database.write(grant, consumer, topic, Right.CONSUME)
    assert await texts(socket, 1) == ["secret"]


# --- credentials ------------------------------------------------------------------------------


def _token_is_revoked(user: User, topic: BrokerTopic) -> None:
    ApiToken.objects.update(revoked=timezone.now())


def _token_expires(user: User, topic: BrokerTopic) -> None:
    ApiToken.objects.update(expires=timezone.now() - timedelta(seconds=1))


def _token_is_deleted(user: User, topic: BrokerTopic) -> None:
    ApiToken.objects.all().delete()


def _user_is_deactivated(user: User, topic: BrokerTopic) -> None:
    User.objects.filter(pk=user.pk).update(is_active=False)


def _user_is_deleted(user: User, topic: BrokerTopic) -> None:
    User.objects.filter(pk=user.pk).delete()


@pytest.mark.parametrize(
    "end",
    [_token_is_revoked, _token_expires, _token_is_deleted, _user_is_deactivated, _user_is_deleted],
)
@pytest.mark.parametrize("protocol", ["graphql", "dasf"])
async def test_token(
    enter: OpenSocket,
    open_socket: OpenSocket,
    consumer: User,
    topic: BrokerTopic,
    protocol: str,
    end: Way,
) -> None:
    """The socket is closed."""
    if protocol == "graphql":
        socket: Socket = await enter(consumer)
    else:
        socket = await open_socket(**await to("topic/backend", consumer))
        await until_heard(topic)
    await database.write(end, consumer, topic)
    assert await _closed(socket) == 4401


async def test_rest_framework_token(open_socket: OpenSocket, consumer: User) -> None:
    """A token of Django REST Framework counts as long as it is there."""
    token = await database.write(Token.objects.create, user=consumer)
    socket: Socket = await open_socket()
    await socket.initialise({"Authorization": f"Token {token.key}"})
    await database.write(token.delete)
    assert await _closed(socket) == 4401


def _log_out(user: User, topic: BrokerTopic) -> None:
    Session.objects.all().delete()


def _session_expires(user: User, topic: BrokerTopic) -> None:
    Session.objects.update(expire_date=timezone.now() - timedelta(seconds=1))


def _password_changes(user: User, topic: BrokerTopic) -> None:
    user.set_password("another one")
    user.save()


def _session_of_nobody(user: User, topic: BrokerTopic) -> None:
    store = SessionStore()
    Session.objects.update(session_data=store.encode({"_auth_user_id": "nobody"}))


@pytest.mark.parametrize(
    "end",
    [
        _log_out,
        _session_expires,
        _password_changes,
        _session_of_nobody,
        _user_is_deactivated,
        _user_is_deleted,
    ],
)
async def test_session(
    open_socket: OpenSocket, consumer: User, topic: BrokerTopic, end: Way
) -> None:
    """A socket that was opened with a cookie ends with the session."""
    socket: Socket = await open_socket(headers=await _cookies(consumer))
    await socket.initialise()
    await socket.subscribe("{ viewer { username } }")
    assert await socket.data() == {"username": "consumer"}
    assert (await socket.receive())["type"] == "complete"
    await database.write(end, consumer, topic)
    assert await _closed(socket) == 4401


@pytest.mark.parametrize("engine", ["cache", "cached_db"])
async def test_session_engines(
    open_socket: OpenSocket, consumer: User, settings: Settings, engine: str
) -> None:
    """Sessions that are kept elsewhere are looked at, too, and left alone while they last."""
    settings.SESSION_ENGINE = f"django.contrib.sessions.backends.{engine}"
    cookies = await _cookies(consumer)
    socket: Socket = await open_socket(headers=cookies)
    await socket.initialise()
    assert await socket.hears_nothing(seconds=0.3)
    _, _, key = cookies["cookie"].partition("=")
    await database.write(import_module(settings.SESSION_ENGINE).SessionStore(key).delete)
    assert await _closed(socket) == 4401


async def test_nobody_needs_no_credential(enter: OpenSocket) -> None:
    """An anonymous socket stays open."""
    socket: Socket = await enter()
    assert await socket.hears_nothing(seconds=0.3)
    await socket.send({"type": "ping"})
    assert await socket.receive() == {"type": "pong"}


# --- what it costs ----------------------------------------------------------------------------


def test_queries_do_not_grow_with_subscribers(make_user: MakeUser, make_topic: MakeTopic) -> None:
    """Two hundred live subscriptions cost as many queries as two."""
    ContentType.objects.get_for_model(BrokerTopic)  # is remembered
    counts = []
    for size in (2, 200):
        topics = [make_topic(f"topic-{size}-{index}") for index in range(3)]
        people = [make_user(f"user-{size}-{index}") for index in range(size)]
        pairs = {(user.pk, topic.pk) for user in people for topic in topics}
        with CaptureQueriesContext(connection) as queries:
            assert len(_rights(pairs)) == len(pairs)
        counts.append(len(queries))
    assert counts == [2, 2]


def test_queries_do_not_grow_with_sockets(make_user: MakeUser) -> None:
    """Nor do those for the credentials of sockets."""
    counts = []
    for size in (2, 200):
        tokens = [
            Credential(
                CredentialKind.TOKEN,
                ApiToken.objects.create(
                    user=make_user(f"user-{size}-{index}"),
                    prefix=f"{size:04}{index:04}",
                    digest="x",
                ).pk,
            )
            for index in range(size)
        ]
        with CaptureQueriesContext(connection) as queries:
            assert _valid(tokens) == {*tokens}
        counts.append(len(queries))
    assert counts == [1, 1]


def _reader(make_user: MakeUser, topic: BrokerTopic, *, in_group: bool) -> User:
    user = make_user("reader")
    holder: User | Group = Group.objects.create(name="readers") if in_group else user
    if isinstance(holder, Group):
        user.groups.add(holder)
    grant(holder, topic, Right.CONSUME)
    return user


async def _cookies(user: User) -> dict[str, str]:
    def log_in() -> str:
        client = Client()
        client.force_login(user, "django.contrib.auth.backends.ModelBackend")
        return client.cookies[django_settings.SESSION_COOKIE_NAME].value

    key = await database.write(log_in)
    cookie = f"{django_settings.SESSION_COOKIE_NAME}={key}"
    return {"cookie": cookie, "origin": "http://testserver"}


async def _closed(socket: Socket) -> int:
    with pytest.raises(ClosedError) as closed:
        await socket.receive()
    return closed.value.code
