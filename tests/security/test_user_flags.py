"""What a flag of an account allows ends with the flag, however old the row of a caller is."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import pytest
from django.contrib.auth.models import User
from guardian.utils import get_anonymous_user

from dasf_broker import apublish, database, subscribe
from dasf_broker import publish as publish_from_python
from dasf_broker.exceptions import BrokerError, ForbiddenError
from dasf_broker.models import BrokerTopic, BrokerTopicUserPermission, rights
from dasf_broker.operations.access import AccessTable, access
from dasf_broker.operations.caller import Caller
from dasf_broker.operations.lists.browse import list_topics
from dasf_broker.operations.lists.paging import PageRequest
from dasf_broker.operations.publish import publish_batch
from dasf_broker.operations.subscriptions import revocation
from dasf_broker.operations.topics import (
    TopicOptions,
    create_topic,
    delete_topic,
    grant_permission,
    revoke_permission,
    update_topic,
)
from dasf_broker.permissions import (
    Right,
    few_visible_to,
    global_rights_of,
    grant,
    holds_globally,
    lookup,
    rights_on,
    rights_table,
    topics_visible_to,
    visible_topics,
)
from tests.conftest import MakeTopic, MakeUser
from tests.doors.clients import is_refusal
from tests.doors.conftest import OpenSocket, OpenStream
from tests.doors.dasf.frames import ask, message, to
from tests.doors.sockets import Socket
from tests.doors.waiting import until_heard
from tests.operations.helpers import ack, codes, publication, queries, send
from tests.security.attempts import DOCUMENTS, MESSAGE_ID, Place, request_of

pytestmark = pytest.mark.django_db(transaction=True)

FLAGS = [*product((True, False), (True, False))]

#: What may happen to the account of a superuser.
LOSSES: dict[str, dict[str, bool]] = {
    "demoted": {"is_superuser": False},
    "deactivated": {"is_active": False},
    "both": {"is_superuser": False, "is_active": False},
}

lose = pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)


@pytest.fixture
def stale(superuser: User, request: pytest.FixtureRequest) -> User:
    """Return the row of a superuser that is no superuser, or not active, any more."""
    User.objects.filter(pk=superuser.pk).update(**request.param)
    return superuser


stale_rows = pytest.mark.parametrize("stale", LOSSES.values(), ids=LOSSES, indirect=True)


@pytest.fixture(params=["columns", "computed"])
def kind_of_flags(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Let the flags be columns of the user model, or computed by it."""
    if request.param == "computed":
        _pretend(monkeypatch, computed=True)
    return str(request.param)


def _pretend(monkeypatch: pytest.MonkeyPatch, *, computed: bool) -> None:
    monkeypatch.setattr(rights, "_is_column", lambda _: False)
    for module in (lookup, visible_topics):
        monkeypatch.setattr(module, "flags_are_computed", lambda: computed)
    monkeypatch.setattr(lookup._held, "_compiled", {})


# --- rights -----------------------------------------------------------------------------------


@pytest.mark.parametrize("held", [(), (Right.CONSUME,), tuple(Right)], ids=str)
@pytest.mark.parametrize("now", FLAGS, ids=str)
@pytest.mark.parametrize("then", FLAGS, ids=str)
def test_only_the_database_decides(
    topic: BrokerTopic,
    make_user: MakeUser,
    kind_of_flags: str,
    then: tuple[bool, bool],
    now: tuple[bool, bool],
    held: tuple[Right, ...],
) -> None:
    """Whatever the row says, each question has the answer of the present."""
    user = make_user("user", topic, *held)
    topic = BrokerTopic.objects.with_response_info().get(pk=topic.pk)
    is_active, is_superuser = now
    User.objects.filter(pk=user.pk).update(is_active=is_active, is_superuser=is_superuser)
    user.is_active, user.is_superuser = then
    expected = set(Right) if is_active and is_superuser else set(held) if is_active else set()
    found = rights_on(user, topic)
    assert {right for right in Right if found.has(right)} == expected
    assert found.is_superuser is (is_active and is_superuser)
    assert rights_table([user], [topic])[user.pk, topic.pk] == found
    assert holds_globally(user, Right.ADD) is found.is_superuser
    assert global_rights_of(user).is_superuser is found.is_superuser
    assert [each.pk for each in topics_visible_to(user)] == [topic.pk] * found.is_visible
    few = few_visible_to(user)
    assert few is None or (few == ({topic.pk} if found.is_visible else set()))
    assert (few is None) or not found.is_superuser


def test_a_model_without_flags(
    topic: BrokerTopic, superuser: User, consumer: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a user model has no flags, all users are active and none is a superuser."""
    _pretend(monkeypatch, computed=False)
    assert access(Caller(consumer), "topic").rights.may_consume
    with pytest.raises(BrokerError):
        access(Caller(superuser), "topic")
    assert Caller.system().user.pk is None


def test_it_is_one_query(topic: BrokerTopic, superuser: User, consumer: User) -> None:
    """The flags come with the rights, and a superuser's publish costs what anybody's does."""
    grant(consumer, topic, Right.PRODUCE)
    send(consumer)
    counts = {queries(lambda user=user: send(user)) for user in (consumer, superuser)}  # type: ignore[misc]
    assert len(counts) == 1
    assert queries(lambda: access(Caller(superuser), "topic")) == 2


@pytest.mark.parametrize("order", [1, -1])
def test_rows_of_different_times_in_one_batch(
    topic: BrokerTopic, superuser: User, order: int
) -> None:
    """Whichever row comes first decides nothing for the others."""
    User.objects.filter(pk=superuser.pk).update(is_superuser=False)
    fresh = User.objects.get(pk=superuser.pk)
    rows = [Caller(superuser), Caller(fresh)][::order]
    assert rows[0] != rows[1]
    assert codes(publish_batch([publication(row) for row in rows])) == ["NOT_FOUND"] * 2
    table = AccessTable([(row, "topic") for row in rows])
    for row in rows:
        with pytest.raises(BrokerError):
            table.get(row, "topic")


@stale_rows
def test_every_verb(topic: BrokerTopic, stale: User, consumer: User) -> None:
    """None of them takes the row for the account."""
    sent = send(Caller.system())
    caller, who = Caller(stale), {"username": "consumer", "group": None}
    verbs: dict[str, Callable[[], Any]] = {
        "publish": lambda: send(stale),
        "create by publishing": lambda: send(stale, "new"),
        "acknowledge": lambda: ack(stale, sent.message.message_id),
        "grant": lambda: grant_permission(caller, "topic", Right.CHANGE, **who),
        "grant themselves": lambda: grant_permission(
            caller, "topic", Right.CHANGE, username=stale.username, group=None
        ),
        "revoke": lambda: revoke_permission(caller, "topic", Right.CONSUME, **who),
        "create": lambda: create_topic(caller, "new", TopicOptions()),
        "update": lambda: update_topic(caller, "topic", TopicOptions(is_public=True)),
        "delete": lambda: delete_topic(caller, "topic"),
        "publish from Python": lambda: publish_from_python("topic", data=1, user=stale),
    }
    for name, verb in verbs.items():
        with pytest.raises(BrokerError) as refused:
            verb()
        assert refused.value.code in ("NOT_FOUND", "FORBIDDEN"), name
    assert not list_topics(caller, PageRequest(first=10)).items
    assert set(BrokerTopic.objects.values_list("slug", flat=True)) == {"topic"}
    assert not BrokerTopicUserPermission.objects.filter(user=stale).exists()


def test_promotion_counts_at_once(topic: BrokerTopic, stranger: User) -> None:
    """A row from before the promotion takes nothing away."""
    User.objects.filter(pk=stranger.pk).update(is_superuser=True)
    assert send(stranger).message.topic_slug == "topic"


def test_the_server_itself(topic: BrokerTopic, stranger: User) -> None:
    """It has all rights without a row, also in a batch; a row that was never saved is not it."""
    batch = [publication(Caller.system()), publication(stranger), publication(Caller.system())]
    assert codes(publish_batch(batch)) == ["STORED", "NOT_FOUND", "STORED"]
    for user in (User(), User(is_superuser=True)):
        with pytest.raises(ValueError, match="never saved"):
            publish_from_python("topic", data=1, user=user)


@pytest.mark.parametrize("is_superuser", [False, True])
def test_anonymous_callers(topic: BrokerTopic, anonymous: Caller, is_superuser: bool) -> None:
    """Guardian's row holds the rights of callers without an account, and its flags count, too."""
    row = get_anonymous_user()
    grant(row, topic, Right.CONSUME)
    assert access(anonymous, "topic").rights.may_consume
    User.objects.filter(pk=row.pk).update(is_active=False, is_superuser=is_superuser)
    with pytest.raises(BrokerError):
        access(anonymous, "topic")


# --- open sockets -----------------------------------------------------------------------------

#: Documents that an ordinary user without rights may execute.
_FOR_EVERYBODY = {"topics", "node", "node of message"}


@lose
async def test_next_operation_on_an_open_socket(
    enter: OpenSocket, superuser: User, topic: BrokerTopic, loss: dict[str, bool]
) -> None:
    """Every document is answered as to an account without the flag."""
    socket: Socket = await enter(superuser)
    await database.write(_send_with_id)
    await database.write(_change, superuser, loss)
    place = Place(topic, Caller(superuser), None)
    for number, (row, document) in enumerate(DOCUMENTS.items()):
        await socket.send(
            {"type": "subscribe", "id": str(number), "payload": request_of(document, place)}
        )
        frame = await socket.receive()
        if frame["type"] == "next":
            await socket.receive()
        if row in _FOR_EVERYBODY:
            [value] = frame["payload"]["data"].values()
            assert value in (None, {"edges": []}), row
        else:
            assert "NOT_FOUND" in str(frame) or "FORBIDDEN" in str(frame), (row, frame)
    assert not await database.read(BrokerTopicUserPermission.objects.exists)


async def test_viewer_of_an_open_socket(enter: OpenSocket, superuser: User) -> None:
    """The viewer is shown as the account is now."""
    socket: Socket = await enter(superuser)
    for number, flag in enumerate([True, False, True]):
        await database.write(_change, superuser, {"is_superuser": flag})
        query = "{ viewer { isSuperuser canCreateTopics username } }"
        await socket.subscribe(query, id_=str(number))
        expected = {"isSuperuser": flag, "canCreateTopics": flag, "username": "root"}
        assert await socket.data(str(number)) == expected
        await socket.receive()


async def test_schema_of_an_open_socket(
    enter: OpenSocket, make_user: MakeUser, settings: Any
) -> None:
    """Who is staff no more is not shown the schema."""
    settings.DASF_INTROSPECTION = "staff"
    staff = await database.write(make_user, "staff", is_staff=True)
    socket: Socket = await enter(staff)
    for number, flags in enumerate([{}, {"is_staff": False}, {"is_staff": True}]):
        await database.write(_change, staff, flags)
        await socket.subscribe("{ __schema { queryType { name } } }", id_=str(number))
        frame = await socket.receive()
        assert (frame["type"] == "next") is flags.get("is_staff", True)
        if frame["type"] == "next":
            await socket.receive()


@lose
@pytest.mark.parametrize("path", ["topic", "new"])
async def test_open_dasf_socket(
    open_socket: OpenSocket, superuser: User, topic: BrokerTopic, loss: dict[str, bool], path: str
) -> None:
    """The next message on a producer's socket is refused."""
    socket: Socket = await open_socket(**await to(path, superuser))
    assert (await ask(socket, message()))["result"] == "ok"
    await database.write(_change, superuser, loss)
    await database.write(BrokerTopicUserPermission.objects.all().delete)
    assert "error" in (await ask(socket, message()))["result"]


async def test_results_of_rows_of_different_times(
    enter: OpenSocket, superuser: User, topic: BrokerTopic
) -> None:
    """A socket from before the demotion renders nothing for one from after it, nor for itself."""
    await database.write(grant, superuser, topic, Right.CONSUME)
    query = 'subscription { messages(topic: "topic") { topic { permissions { canDelete } } } }'
    sockets: list[Socket] = [await enter(superuser)]
    await sockets[0].subscribe(query)
    await until_heard(topic)
    await database.write(_change, superuser, {"is_superuser": False})
    sockets.append(await enter(superuser))
    await sockets[1].subscribe(query)
    await until_heard(topic, by=2)
    await apublish("topic", text="hello")
    for socket in sockets:
        assert await socket.data() == {"topic": {"permissions": {"canDelete": False}}}


# --- live subscriptions -----------------------------------------------------------------------

MESSAGES = 'subscription { messages(topic: "topic") { text } }'


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Check the rights of subscriptions often."""
    monkeypatch.setattr(revocation.RIGHTS, "interval", 0.05)


@lose
@pytest.mark.usefixtures("often", "hub_lifetime")
async def test_subscription_from_python(
    superuser: User, topic: BrokerTopic, loss: dict[str, bool]
) -> None:
    """It ends with the flag of its user."""
    async with subscribe("topic", user=superuser) as stream:
        await apublish("topic", text="before", user=superuser)
        assert (await anext(stream)).text == "before"
        await database.write(_change, superuser, loss)
        with pytest.raises(ForbiddenError):
            await anext(stream)


@pytest.mark.usefixtures("often", "hub_lifetime")
async def test_subscription_of_a_deleted_user(consumer: User, topic: BrokerTopic) -> None:
    """It ends, too."""
    async with subscribe("topic", user=consumer) as stream:
        await apublish("topic", text="before")
        assert (await anext(stream)).text == "before"
        await database.write(User.objects.filter(pk=consumer.pk).delete)
        with pytest.raises(ForbiddenError):
            await anext(stream)


@pytest.mark.usefixtures("often", "hub_lifetime")
async def test_subscription_of_the_server(topic: BrokerTopic, make_topic: MakeTopic) -> None:
    """The server has no flags that could be taken away."""
    async with subscribe("topic") as stream:
        for text in ("one", "two"):
            await apublish("topic", text=text)
            assert (await anext(stream)).text == text
            await revocation._check(
                [revocation._Subscription(None, topic.pk, "topic", "may_consume", _NeverFails())]  # type: ignore[arg-type]
            )


class _NeverFails:
    def fail(self, error: Exception, *, at_once: bool) -> None:
        raise AssertionError(error, at_once)


@lose
@pytest.mark.usefixtures("often")
async def test_stream_of_events(
    open_stream: OpenStream, superuser: User, topic: BrokerTopic, loss: dict[str, bool]
) -> None:
    """Server-sent events end with an error."""
    stream = await open_stream(MESSAGES, as_=superuser)
    await until_heard(topic)
    await database.write(_change, superuser, loss)
    _, body, _ = await stream.event()
    [error] = body["errors"]
    assert is_refusal(error, "FORBIDDEN") or is_refusal(error, "UNAUTHENTICATED")


# --- steps ------------------------------------------------------------------------------------


def _change(user: User, flags: dict[str, bool]) -> None:
    if flags:
        User.objects.filter(pk=user.pk).update(**flags)


def _send_with_id() -> None:
    send(Caller.system(), text="hidden", message_id=MESSAGE_ID)
