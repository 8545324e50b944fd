"""The producer's socket: each message is answered with "ok" or with what is wrong."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from dasf_broker import database
from dasf_broker.exceptions import UnavailableError
from dasf_broker.models import BrokerMessage, BrokerTopic, BrokerTopicUserPermission
from dasf_broker.permissions import Right, rights_on
from dasf_broker.routing import broker_application
from dasf_broker.transports.websocket import dasf as dasf_sockets
from dasf_broker.transports.websocket import dasf_protocol
from tests.conftest import MakeTopic, MakeUser
from tests.doors.dasf.conftest import OpenDasf
from tests.doors.dasf.frames import ask, is_error, message, to, until_true
from tests.doors.sockets import ClosedError, connect

pytestmark = pytest.mark.django_db(transaction=True)


async def test_message_is_stored(dasf: OpenDasf, topic: BrokerTopic, producer: User) -> None:
    """A message is answered "ok" once it is stored as it was sent."""
    socket = await dasf("topic", producer)
    frame = message("hello", properties={"messageType": "log", "own": [1]}, context=7)
    answer = await ask(socket, frame)
    assert answer == {"messageId": frame["messageId"], "context": 7, "result": "ok"}
    row = await database.read(BrokerMessage.objects.select_related("user").get)
    assert (row.content, row.context, row.user) == (frame, 7, producer)


@pytest.mark.parametrize("context", [0, 5, "5", -1])
async def test_context_is_echoed(
    dasf: OpenDasf, topic: BrokerTopic, producer: User, context: int | str
) -> None:
    """The answer has the context exactly as the client wrote it."""
    answer = await ask(await dasf("topic", producer), message(context=context))
    assert (answer["context"], answer["result"]) == (context, "ok")


async def test_id_is_given(dasf: OpenDasf, topic: BrokerTopic, producer: User) -> None:
    """A message without an id gets one, which the answer names."""
    answer = await ask(await dasf("topic", producer), {"properties": {}, "payload": ""})
    row = await database.read(BrokerMessage.objects.get)
    assert answer == {"messageId": str(row.message_id), "result": "ok"}


async def test_full_topic(
    dasf: OpenDasf, topic: BrokerTopic, producer: User, settings: Settings
) -> None:
    """It is an error like any other; the same message again is not."""
    settings.DASF_MAX_BACKLOG = 1
    socket, first = await dasf("topic", producer), message()
    assert (await ask(socket, first))["result"] == "ok"
    refused = await ask(socket, message(context=3))
    assert is_error(refused)
    assert (refused["context"], "'topic' holds 1 messages" in refused["result"]) == (3, True)
    assert (await ask(socket, first))["result"] == "ok"
    assert await database.read(BrokerMessage.objects.count) == 1


async def test_answers_come_in_order(dasf: OpenDasf, topic: BrokerTopic, producer: User) -> None:
    """A client may send many messages before it reads an answer; broken ones keep their place."""
    socket = await dasf("topic", producer)
    frames = [message(str(number), context=number) for number in range(250)]
    frames[7]["payload"] = frames[240]["payload"] = "not base64"
    for frame in frames:
        await socket.send(frame)
    answers = [await socket.receive() for _ in frames]
    assert [answer["context"] for answer in answers] == [*range(250)]
    assert [number for number, each in enumerate(answers) if is_error(each)] == [7, 240]
    rows = await database.read(lambda: list(BrokerMessage.objects.order_by("sequence")))
    stored = [row.context for row in rows]
    assert stored == [number for number in range(250) if number not in {7, 240}]


async def test_what_was_sent_before_leaving(
    dasf: OpenDasf, topic: BrokerTopic, producer: User
) -> None:
    """A client that sends and goes at once has published."""
    socket = await dasf("topic", producer)
    for number in range(150):
        await socket.send(message(str(number)))
    await socket.close()
    await until_true(lambda: BrokerMessage.objects.count() == 150)


async def test_same_message_again(dasf: OpenDasf, topic: BrokerTopic, producer: User) -> None:
    """A retry is "ok" and stored once; another message under the same id is refused."""
    socket, first = await dasf("topic", producer), message("one")
    assert [(await ask(socket, first))["result"] for _ in range(2)] == ["ok", "ok"]
    other = await ask(socket, message("two", messageId=first["messageId"]))
    assert is_error(other)
    assert first["messageId"] in other["result"]
    assert await database.read(BrokerMessage.objects.count) == 1


@pytest.mark.parametrize("who", ["consumer", "stranger", "nobody"])
async def test_refused(
    dasf: OpenDasf, topic: BrokerTopic, consumer: User, stranger: User, who: str
) -> None:
    """Who may not publish is told so at once, for each message, on a socket that stays open."""
    user = {"consumer": consumer, "stranger": stranger, "nobody": None}[who]
    socket = await dasf("topic", user)
    for context in (1, 2):
        answer = await ask(socket, message(context=context))
        assert is_error(answer)
        assert answer["context"] == context
    assert await database.read(BrokerMessage.objects.count) == 0


async def test_hidden_and_missing_alike(dasf: OpenDasf, topic: BrokerTopic, stranger: User) -> None:
    """The answer does not tell whether a topic exists."""
    hidden = await ask(await dasf("topic", stranger), message())
    missing = await ask(await dasf("nowhere", stranger), message())
    assert hidden["result"].replace("topic 'topic'", "topic 'nowhere'") == missing["result"]


async def test_public_topic(dasf: OpenDasf, make_topic: MakeTopic) -> None:
    """Everybody may publish to a public topic."""
    await database.write(make_topic, "open", is_public=True)
    assert (await ask(await dasf("open"), message()))["result"] == "ok"


@pytest.mark.parametrize("authorization", ["Token wrong", "Bearer dasf_x_y", "Basic eDp5"])
async def test_wrong_token(dasf: OpenDasf, make_topic: MakeTopic, authorization: str) -> None:
    """A wrong credential is refused even where nobody needs one."""
    await database.write(make_topic, "open", is_public=True)
    socket = await dasf("open", authorization=authorization)
    assert is_error(await ask(socket, message()))
    assert is_error(await ask(socket, message()))


@pytest.mark.parametrize("create", [True, False], ids=["create", "never"])
@pytest.mark.parametrize("superuser_", [True, False], ids=["allowed", "not allowed"])
async def test_topic_is_created(
    dasf: OpenDasf,
    superuser: User,
    stranger: User,
    settings: Settings,
    create: bool,
    superuser_: bool,
) -> None:
    """A message creates its topic where the settings and the right to add topics allow it."""
    settings.DASF_CREATE_TOPIC_ON_MESSAGE = create
    socket = await dasf("new", superuser if superuser_ else stranger)
    assert is_error(await ask(socket, message())) is not (create and superuser_)
    exists = await database.read(BrokerTopic.objects.filter(slug="new").exists)
    assert exists is (create and superuser_)


async def test_response_topic(
    dasf: OpenDasf, topic: BrokerTopic, producer: User, consumer: User, stranger: User
) -> None:
    """A request creates its response topic: the requester consumes, the module produces."""
    answer = await ask(
        await dasf("topic", producer), message(properties={"response_topic": "topic_AbC"})
    )
    assert answer["result"] == "ok"

    def facts() -> list[Any]:
        [answers] = topic.responsetopics.all()
        held = [rights_on(user, answers) for user in (producer, consumer, stranger)]
        assert answers.source_messages.get().message_id == UUID(answer["messageId"])
        return [answers.slug, *((each.may_consume, each.may_produce) for each in held)]

    expected = ["topic_AbC", (True, False), (False, True), (False, False)]
    assert await database.read(facts) == expected
    answer_frame = message(properties={"messageType": "response"})
    assert (await ask(await dasf("topic_AbC", consumer), answer_frame))["result"] == "ok"
    assert is_error(await ask(await dasf("topic_AbC", producer), answer_frame))


async def test_response_topic_is_taken(
    dasf: OpenDasf, topic: BrokerTopic, producer: User, make_topic: MakeTopic
) -> None:
    """A request cannot make another topic its own by naming it; nothing is stored."""
    await database.write(make_topic, "topic_secret")
    frame = message(properties={"response_topic": "topic_secret"})
    assert is_error(await ask(await dasf("topic", producer), frame))
    assert await database.read(BrokerMessage.objects.count) == 0


async def test_fragments(dasf: OpenDasf, topic: BrokerTopic, producer: User) -> None:
    """Each fragment is a message; base64 may be cut anywhere."""
    socket, whole = await dasf("topic", producer), "QUJDREVGRw=="
    for number, part in enumerate((whole[:5], whole[5:])):
        properties = {"fragment": number, "num_fragments": 2}
        frame = message(properties=properties, payload=part)
        assert (await ask(socket, frame))["result"] == "ok"


async def test_too_large(
    dasf: OpenDasf, topic: BrokerTopic, producer: User, settings: Settings
) -> None:
    """A message above the limit is refused, with its context, and the socket goes on."""
    settings.DASF_MAX_MESSAGE_SIZE = 100_000
    socket = await dasf("topic", producer)
    answer = await ask(socket, message("x" * 100_000, context=3))
    assert is_error(answer)
    assert answer["context"] == 3
    assert (await ask(socket, message("x" * 70_000)))["result"] == "ok"


async def test_failure_inside(
    dasf: OpenDasf,
    topic: BrokerTopic,
    producer: User,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A bug of the broker is told as an error without its text, and is logged."""
    socket = await dasf("topic", producer)
    with monkeypatch.context() as patch:

        def fail() -> None:
            raise RuntimeError("secret")

        patch.setattr(dasf_sockets, "current", fail)
        answer = await ask(socket, message(context=1))
    assert is_error(answer)
    assert "secret" not in answer["result"]
    assert "secret" in caplog.text
    assert (await ask(socket, message()))["result"] == "ok"


async def test_no_database_at_first(
    dasf: OpenDasf, topic: BrokerTopic, producer: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A socket that cannot learn who opened it is closed, so that the client tries again."""

    async def fail(*_: Any, **__: Any) -> None:
        raise UnavailableError("no database")

    socket = None
    with monkeypatch.context() as patch:
        patch.setattr(dasf_protocol, "identify_socket", fail)
        socket = await dasf("topic", producer)
        with pytest.raises(ClosedError) as closed:
            await socket.receive()
    assert closed.value.code == 1013
    assert (await ask(await dasf("topic", producer), message()))["result"] == "ok"


async def test_page_of_another_site(dasf: OpenDasf, topic: BrokerTopic, producer: User) -> None:
    """A browser that shows another site's page is refused."""
    socket = await dasf("topic", producer, origin="https://elsewhere.example")
    with pytest.raises(ClosedError) as closed:
        await socket.receive()
    assert closed.value.code == 4403


@pytest.mark.parametrize("route", ["socket/", "/socket", "socket", "a/b/", ""])
async def test_route(
    topic: BrokerTopic, producer: User, settings: Settings, rf: RequestFactory, route: str
) -> None:
    """The sockets are where the setting says, however its slashes stand."""
    settings.DASF_WEBSOCKET_URL_ROUTE = route
    address = topic.get_websocket_url(rf.get("/", headers={"host": "testserver"}))
    options = await to("topic", producer) | {"path": address.removeprefix("ws://testserver")}
    async with connect(broker_application(None), **options) as socket:
        assert (await ask(socket, message()))["result"] == "ok"


def test_cost_does_not_grow_with_consumers(
    topic: BrokerTopic, producer: User, make_user: MakeUser
) -> None:
    """Publishing costs the same queries with 2,000 consumers as with 2."""

    def cost() -> int:
        with CaptureQueriesContext(connection) as queries:
            topic.create_and_send_message(producer, message())
        return len(queries)

    for name in ("a", "b"):
        make_user(name, topic, Right.CONSUME)
    cost()  # caches of Django are warm from here on
    with_two = cost()
    right = BrokerTopicUserPermission.objects.filter(permission__codename=Right.CONSUME)[0]
    people = User.objects.bulk_create(User(username=f"user{number}") for number in range(1998))
    BrokerTopicUserPermission.objects.bulk_create(
        BrokerTopicUserPermission(user=user, content_object=topic, permission=right.permission)
        for user in people
    )
    assert topic.consumers.count() == 2000
    assert cost() == with_two
