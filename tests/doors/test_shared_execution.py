"""Subscribers with the same document get the same text, made once; nobody gets another's."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User

from dasf_broker import database
from dasf_broker.models import BrokerTopic
from dasf_broker.permissions import Right
from dasf_broker.schema.execution.context import Context
from dasf_broker.transports.graphql.shared_results import _Operation
from tests.conftest import MakeTopic, MakeUser
from tests.doors.conftest import OpenSocket, Publish
from tests.doors.waiting import until_heard

pytestmark = pytest.mark.django_db(transaction=True)

Executions = list[object]


@pytest.fixture
def executions(monkeypatch: pytest.MonkeyPatch) -> Executions:
    """Return a list that grows with every event that is executed."""
    seen: Executions = []
    render = _Operation.render

    def counted(self: _Operation, event: Any, context: Context) -> Any:
        seen.append(event)
        return render(self, event, context)

    monkeypatch.setattr(_Operation, "render", counted)
    return seen


@pytest.fixture
def boss(make_user: MakeUser, topic: BrokerTopic) -> User:
    """Return a consumer who manages the topic as well."""
    return make_user("boss", topic, Right.CONSUME, Right.CHANGE)


async def test_same_document_is_executed_once(
    enter: OpenSocket,
    topic: BrokerTopic,
    producer: User,
    consumer: User,
    boss: User,
    publish_text: Publish,
    executions: Executions,
) -> None:
    """However many listen, on however many sockets, an event is executed once."""
    query = 'subscription { messages(topic: "topic") { text user { username } topic { slug } } }'
    sockets = [await enter(user) for user in (consumer, boss, consumer)]
    for socket in sockets:
        await socket.subscribe(query, id_="a")
        await socket.subscribe(query, id_="b")
    await until_heard(topic, by=6)
    await database.write(publish_text, producer, topic, "hello")
    expected = {"text": "hello", "user": {"username": "producer"}, "topic": {"slug": "topic"}}
    for socket in sockets:
        frames = [await socket.receive() for _ in "ab"]
        assert sorted(frame["id"] for frame in frames) == ["a", "b"]
        assert [frame["payload"] for frame in frames] == [{"data": {"messages": expected}}] * 2
    assert len(executions) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("{ text }", "{ messageType }"),
        ("{ text }", "{ text  }"),
        ("{ text @include(if: $yes) }", "{ text @include(if: $yes) } # with $yes: false"),
    ],
)
async def test_other_operations_are_executed_apart(
    enter: OpenSocket,
    topic: BrokerTopic,
    producer: User,
    consumer: User,
    publish_text: Publish,
    executions: Executions,
    one: str,
    other: str,
) -> None:
    """Another document gets another text."""
    socket = await enter(consumer)
    for id_, selection in (("one", one), ("other", other)):
        head = "subscription ($yes: Boolean! = true)" if "$yes" in selection else "subscription"
        await socket.subscribe(f'{head} {{ messages(topic: "topic") {selection}\n}}', id_=id_)
    await until_heard(topic, by=2)
    await database.write(publish_text, producer, topic, "hello")
    assert {(await socket.receive())["id"] for _ in range(2)} == {"one", "other"}
    assert len(executions) == 2


async def test_variables_are_told_apart(
    enter: OpenSocket,
    topic: BrokerTopic,
    producer: User,
    consumer: User,
    publish_text: Publish,
) -> None:
    """The same document with other variables is another operation."""
    query = """subscription ($yes: Boolean!) {
      messages(topic: "topic") { __typename text @include(if: $yes) } }"""
    socket = await enter(consumer)
    await socket.subscribe(query, {"yes": True}, id_="yes")
    await socket.subscribe(query, {"yes": False}, id_="no")
    await until_heard(topic, by=2)
    await database.write(publish_text, producer, topic, "hello")
    frames = [await socket.receive() for _ in range(2)]
    seen = {frame["id"]: frame["payload"]["data"]["messages"] for frame in frames}
    assert seen == {
        "yes": {"__typename": "Message", "text": "hello"},
        "no": {"__typename": "Message"},
    }


@pytest.mark.parametrize(
    "selection",
    [
        "{ acknowledged deliveredTo { username } topic { permissions { canChange } } }",
        "{ mine: topic { p: permissions { canChange } } }",
        "{ topic { ...t } } } fragment t on Topic { permissions { canChange }",
        "{ ... on Message { topic { ... on BrokerTopic { permissions { canChange } } } } }",
        "{ topic { consumers { username } permissions { canChange } } }",
    ],
)
async def test_what_depends_on_the_viewer_is_not_shared(
    enter: OpenSocket,
    topic: BrokerTopic,
    producer: User,
    consumer: User,
    boss: User,
    publish_text: Publish,
    executions: Executions,
    selection: str,
) -> None:
    """Where a field depends on who looks, each viewer gets their own; both sockets of one share."""
    query = f'subscription {{ messages(topic: "topic") {selection} }}'
    sockets = [await enter(user) for user in (consumer, boss, boss)]
    for socket in sockets:
        await socket.subscribe(query)
    await until_heard(topic, by=3)
    await database.write(publish_text, producer, topic, "hello")
    seen = [str(await socket.data()) for socket in sockets]
    assert ["'canChange': True" in each for each in seen] == [False, True, True]
    assert len(executions) == 2


async def test_viewers_of_a_backlog(
    enter: OpenSocket,
    topic: BrokerTopic,
    producer: User,
    consumer: User,
    boss: User,
    publish_text: Publish,
) -> None:
    """`acknowledged` is each viewer's own."""

    def keep() -> str:
        BrokerTopic.objects.filter(pk=topic.pk).update(store_messages="store")
        return str(publish_text(producer, topic).message.message_id)

    message_id = await database.write(keep)
    sockets = {user: await enter(user) for user in (consumer, boss)}
    acknowledge = (
        f'mutation {{ acknowledgeMessage(topic: "topic", messageId: "{message_id}") {{ status }} }}'
    )
    await sockets[consumer].subscribe(acknowledge, id_="ack")
    assert await sockets[consumer].data("ack") == {"status": "ACKNOWLEDGED"}
    assert (await sockets[consumer].receive())["type"] == "complete"
    query = 'subscription { messages(topic: "topic", start: EARLIEST) { acknowledged } }'
    for user, socket in sockets.items():
        await socket.subscribe(query)
        assert await socket.data() == {"acknowledged": user is consumer}


async def test_topics_are_told_apart(
    enter: OpenSocket,
    topic: BrokerTopic,
    superuser: User,
    make_topic: MakeTopic,
    publish_text: Publish,
) -> None:
    """The same document for two topics gets each topic's messages."""
    other = await database.write(make_topic, "other")
    query = "subscription ($t: String!) { messages(topic: $t) { text topic { slug } } }"
    sockets = {each: await enter(superuser) for each in (topic, other)}
    for each, socket in sockets.items():
        await socket.subscribe(query, {"t": each.slug})
        await until_heard(each)
    for each in sockets:
        await database.write(publish_text, superuser, each, f"for {each.slug}")
    for each, socket in sockets.items():
        seen = await socket.data()
        assert seen == {"text": f"for {each.slug}", "topic": {"slug": each.slug}}


async def test_who_renders_first_may_go(
    enter: OpenSocket,
    topic: BrokerTopic,
    producer: User,
    consumer: User,
    publish_text: Publish,
    executions: Executions,
) -> None:
    """When the first subscriber goes away, the others still get theirs."""
    query = 'subscription { messages(topic: "topic") { text topic { slug } } }'
    sockets = [await enter(consumer) for _ in range(4)]
    for socket in sockets:
        await socket.subscribe(query)
    await until_heard(topic, by=4)
    await sockets[0].close()
    await database.write(publish_text, producer, topic, "hello")
    for socket in sockets[1:]:
        assert await socket.data() == {"text": "hello", "topic": {"slug": "topic"}}
    assert len(executions) == 1
