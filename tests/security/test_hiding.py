"""What one may not see is like what does not exist, and nothing is captured by naming it.

That GraphQL and the pages answer alike is tested in `tests/doors` (`test_hidden`, `test_views`).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import User

from dasf_broker import database
from dasf_broker.models import BrokerTopic
from dasf_broker.operations.acknowledge import Acknowledging, acknowledge
from dasf_broker.operations.caller import Caller
from dasf_broker.operations.heartbeat import pong
from dasf_broker.permissions import Right, revoke
from tests.conftest import MakeTopic, MakeUser
from tests.doors.clients import GraphQLClient, is_refusal, key_of
from tests.doors.conftest import OpenSocket, Publish
from tests.doors.dasf.conftest import OpenDasf
from tests.doors.dasf.frames import ask, is_error, message
from tests.doors.waiting import until_heard
from tests.security.attempts import ATTEMPTS, SUBSCRIPTIONS, Place

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("hub_lifetime", "django_thread"),
]

REQUEST = """mutation ($answers: String!) {
  publishMessage(input: {topic: "topic", text: "a", responseTopic: $answers}) { status } }"""
PEOPLE = """query ($topic: String!) { topic(slug: $topic) {
  consumers { username } producers { username } statusViewers { username }
  messages { edges { node { user { username } deliveredTo { username } } } } } }"""


@pytest.mark.parametrize("row", ATTEMPTS)
@pytest.mark.parametrize("is_anonymous", [True, False], ids=["nobody", "stranger"])
async def test_same_answer(
    topic: BrokerTopic, consumer: User, stranger: User, row: str, is_anonymous: bool
) -> None:
    """Every operation answers the same for a hidden topic and for none, on every transport."""
    key = None if is_anonymous else await key_of(stranger)
    hidden = Place(topic, Caller(consumer), key)
    missing = replace(hidden, topic=BrokerTopic(pk=topic.pk + 1000, slug="nowhere"))
    assert await ATTEMPTS[row](hidden) == await ATTEMPTS[row](missing)


async def test_a_topic_that_is_hidden_now(
    client: GraphQLClient, topic: BrokerTopic, producer: User
) -> None:
    """Not even one's own requests of then tell of it, though one goes on reading the answers."""
    query = """{ topic(slug: "topic_answers") { ... on ResponseTopic {
      sourceMessages { edges { node { topic { slug } } } } } } }"""

    async def seen() -> list[Any]:
        found = await client.value(query, as_=producer)
        return [each["node"]["topic"]["slug"] for each in found["sourceMessages"]["edges"]]

    await client.value(REQUEST, {"answers": "topic_answers"}, as_=producer)
    assert await seen() == ["topic"]
    await database.write(revoke, producer, topic, Right.PRODUCE)
    assert await seen() == []


@pytest.mark.parametrize("field", SUBSCRIPTIONS.values())
async def test_same_refusal_of_subscriptions(
    enter: OpenSocket, topic: BrokerTopic, stranger: User, field: str
) -> None:
    """Text and code are the same but for the name, with an account and without."""
    for user in (stranger, None):
        socket = await enter(user)
        refusals = []
        for slug in ("topic", "other"):
            query = f"subscription ($t: String!) {{ {field} }}"
            await socket.subscribe(query, {"t": slug}, id_=slug)
            refusals.append(str(await socket.error(slug)).replace(f"'{slug}'", "'x'"))
        assert refusals[0] == refusals[1]
        assert "NOT_FOUND" in refusals[0]


@pytest.mark.parametrize("path", ["{}", "{}/me", "status-ping"])
async def test_same_refusal_of_modules(
    dasf: OpenDasf, topic: BrokerTopic, stranger: User, path: str
) -> None:
    """The results of DASF sockets are the same but for the name."""
    for user in (stranger, None):
        refusals = []
        for slug in ("topic", "other"):
            socket = await dasf(path.format(slug), user)
            said = {"messageType": "pong", "source_topic": slug}
            frame = message(messageId=str(uuid4()), properties=said)
            answer = await ask(socket, frame)
            assert is_error(answer)
            answer.pop("messageId", None)
            refusals.append(str(answer).replace(f"'{slug}'", "'x'"))
        assert refusals[0] == refusals[1]


@pytest.mark.parametrize("taken", ["topic", "topic_hidden", "topic_answers"])
async def test_response_topics_are_not_captured(
    client: GraphQLClient,
    dasf: OpenDasf,
    topic: BrokerTopic,
    producer: User,
    make_topic: MakeTopic,
    make_user: MakeUser,
    taken: str,
) -> None:
    """Who names a topic for the answers that they may not consume is refused, and gains nothing."""

    def prepare() -> None:
        hidden = make_topic("topic_hidden")
        make_user("owner", hidden, Right.CONSUME)

    await database.write(prepare)
    other = await database.write(make_user, "other", topic, Right.PRODUCE)
    await client.value(REQUEST, {"answers": "topic_answers"}, as_=other)
    error = await client.refusal(REQUEST, {"answers": taken}, as_=producer)
    assert is_refusal(error, "CONFLICT")
    frame = message(properties={"response_topic": taken})
    assert is_error(await ask(await dasf("topic", producer), frame))
    for slug in {"topic_hidden", "topic_answers", taken}:
        refused = await client.refusal(
            "query ($t: String!) { messages(topic: $t) { edges { cursor } } }",
            {"t": slug},
            as_=producer,
        )
        code = "FORBIDDEN" if slug == "topic" else "NOT_FOUND"
        assert refused["extensions"]["code"] == code


async def test_people_of_another_topic(
    client: GraphQLClient,
    enter: OpenSocket,
    topic: BrokerTopic,
    manager: User,
    producer: User,
    consumer: User,
    make_topic: MakeTopic,
    make_user: MakeUser,
    publish_text: Publish,
) -> None:
    """Lists of people, authors and heartbeats name nobody who has to do with another topic only."""

    def prepare() -> BrokerTopic:
        other = make_topic("elsewhere", supports_dasf=True, store_messages="store")
        for right in (Right.PRODUCE, Right.CONSUME, Right.VIEW_STATUS):
            make_user(f"foreign-{right}", other, right)
        BrokerTopic.objects.filter(pk=topic.pk).update(store_messages="store")
        topic.refresh_from_db()
        foreign = make_user("foreign", other, Right.PRODUCE, Right.CONSUME)
        for author, reader, place in ((foreign, foreign, other), (producer, consumer, topic)):
            sent = publish_text(author, place)
            acknowledge(Acknowledging(Caller.of(reader), place.slug, sent.message.message_id))
        make_user("chief", topic, Right.CHANGE, Right.CONSUME)
        return other

    await database.write(prepare)
    chief = await database.read(User.objects.get, username="chief")
    shown: Any = await client.value(PEOPLE, {"topic": "topic"}, as_=chief)
    assert "foreign" not in str(shown)
    [edge] = shown["messages"]["edges"]
    assert edge["node"] == {
        "user": {"username": "producer"},
        "deliveredTo": [{"username": "consumer"}],
    }
    assert {each["username"] for each in shown["consumers"]} == {"consumer", "chief"}
    assert {each["username"] for each in shown["producers"]} == {"producer"}
    assert shown["statusViewers"] == []
    assert is_refusal(await client.refusal(PEOPLE, {"topic": "elsewhere"}, as_=chief), "NOT_FOUND")


async def test_heartbeats_of_another_topic(
    enter: OpenSocket,
    topic: BrokerTopic,
    producer: User,
    consumer: User,
    make_topic: MakeTopic,
    make_user: MakeUser,
) -> None:
    """Who listens for answers hears of the consumers of their own topic only."""

    def prepare() -> User:
        other = make_topic("elsewhere", supports_dasf=True)
        return make_user("foreign", other, Right.PRODUCE, Right.CONSUME)

    foreign = await database.write(prepare)
    socket = await enter(producer)
    await socket.subscribe('subscription { pongs(topic: "topic") { user { username } } }')
    await until_heard(topic)
    for user, slug in ((foreign, "elsewhere"), (consumer, "topic")):
        await database.write(pong, Caller(user), slug)
    assert await socket.data() == {"user": {"username": "consumer"}}
