"""Response topics: who gets them, under which names, how many, and what may be sent there."""

from __future__ import annotations

import random
import string
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import AnonymousUser, Permission, User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from dasf_broker import database, publish
from dasf_broker.domain.envelope import ANSWER_TYPES, Envelope, MessageType
from dasf_broker.exceptions import BrokerError, ConflictError, ForbiddenError
from dasf_broker.models import BrokerMessage, BrokerTopic, ResponseTopic
from dasf_broker.operations.access import access
from dasf_broker.operations.caller import Caller
from dasf_broker.operations.lists.browse import find_message
from dasf_broker.operations.lists.paging import PageRequest
from dasf_broker.operations.lists.per_topic import list_source_messages
from dasf_broker.operations.publications import Publication
from dasf_broker.operations.publish import publish_batch
from dasf_broker.permissions import Right, grant
from tests.conftest import MakeTopic, MakeUser
from tests.doors.clients import GraphQLClient
from tests.doors.dasf.conftest import OpenDasf
from tests.doors.dasf.frames import ask, is_error, message
from tests.operations.helpers import codes, publication, send

PUBLISH = """mutation ($input: PublishMessageInput!) {
  publishMessage(input: $input) { status responseTopic }
}"""
ANSWERS = "{ topics(filter: { isResponseTopic: true }) { edges { node { slug } } } }"

#: Types of messages that are no answers.
OTHER_TYPES = [each for each in MessageType if each not in ANSWER_TYPES]


def _random_names(count: int) -> list[str]:
    """Return names as hidden topics may have them: words, dates, and what looks like a secret."""
    dice = random.Random(10)  # noqa: S311
    letters = string.ascii_letters + string.digits + "-_"
    return ["".join(dice.choices(letters, k=dice.randint(1, 128))) for _ in range(count)]


NAMES = ["hidden", "topicality", "topi_c", "TOPIC_x", "topic", "_", "topic_", *_random_names(20)]


@pytest.fixture
def public(make_topic: MakeTopic) -> BrokerTopic:
    """Return a topic that everybody may publish to."""
    return make_topic("public", is_public=True, store_messages="store")


# --- anonymous callers ------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
async def test_no_answers_for_nobody(client: GraphQLClient, public: BrokerTopic) -> None:
    """An anonymous caller may publish, but not ask: others would read the answer."""
    parts = {"topic": "public", "text": "hello", "responseTopic": "public_answers"}
    error = await client.refusal(PUBLISH, {"input": parts})
    assert error["extensions"]["code"] == "FORBIDDEN"
    assert "anonymous caller may not ask for answers" in error["message"]
    assert await database.read(BrokerMessage.objects.count) == 0
    del parts["responseTopic"]
    assert (await client.value(PUBLISH, {"input": parts}))["status"] == "STORED"
    assert (await client.value(ANSWERS))["edges"] == []


@pytest.mark.django_db(transaction=True)
async def test_no_answers_for_nobody_by_dasf(dasf: OpenDasf, public: BrokerTopic) -> None:
    """The refusal says so, and the socket goes on."""
    socket = await dasf("public")
    refused = await ask(socket, message(properties={"response_topic": "public_answers"}))
    assert is_error(refused)
    assert "anonymous caller" in refused["result"]
    assert (await ask(socket, message()))["result"] == "ok"
    assert not await database.read(ResponseTopic.objects.exists)


@pytest.mark.django_db
def test_no_answers_for_nobody_by_python(public: BrokerTopic) -> None:
    """Not for an anonymous user whom a host passes on; for the host itself there are."""
    with pytest.raises(ForbiddenError, match="anonymous"):
        publish("public", text="?", user=AnonymousUser(), response_topic="public_answers")
    assert publish("public", text="?", response_topic="public_answers").response_topic


@pytest.mark.parametrize("name", ["public_new", "public_taken", "own"])
@pytest.mark.django_db
def test_no_name_tells_nobody_anything(
    name: str, public: BrokerTopic, anonymous: Caller, make_topic: MakeTopic
) -> None:
    """Free, taken, or one that all anonymous callers may consume: the answer is the same."""
    make_topic("public_taken")
    grant(anonymous.user, make_topic("own"), Right.CONSUME)
    with pytest.raises(ForbiddenError) as refused:
        send(anonymous, "public", response_topic=name)
    assert name not in str(refused.value)


@pytest.mark.django_db
def test_nobody_creates_both(anonymous: Caller) -> None:
    """Not even where anonymous callers may add topics."""
    grant_globally(anonymous.user)
    assert codes(publish_batch([publication(anonymous, "new", response_topic="new_a")])) == [
        "FORBIDDEN"
    ]
    assert not BrokerTopic.objects.exists()


@pytest.mark.django_db
def test_a_host_may_allow_it(public: BrokerTopic, anonymous: Caller, settings: Settings) -> None:
    """Then all anonymous callers are one user, who consumes the answers."""
    settings.DASF_ANONYMOUS_RESPONSE_TOPICS = True
    send(anonymous, "public", response_topic="public_answers")
    assert access(anonymous, "public_answers").rights.may_consume


@pytest.mark.django_db
def test_what_is_mine_is_nothing_for_nobody(
    public: BrokerTopic, anonymous: Caller, producer: User, settings: Settings
) -> None:
    """What one anonymous caller published is not shown to the next as their own."""
    settings.DASF_ANONYMOUS_RESPONSE_TOPICS = True
    for caller, expected in ((anonymous, False), (Caller(producer), True)):
        name = f"public_{caller.user.pk}"
        sent = send(caller, "public", response_topic=name)
        found = find_message(caller, "public", sent.message.message_id)
        assert (found is not None) is expected
        answers = BrokerTopic.objects.with_response_info().get(slug=name)
        pages = list_source_messages(
            caller, [(answers, public)], PageRequest(), may_consume_source=False
        )
        assert (len(pages) == 1) is expected


# --- what is sent to response topics ----------------------------------------------------------


@pytest.mark.parametrize("kind", OTHER_TYPES)
@pytest.mark.django_db(transaction=True)
async def test_no_plain_message_ends_up_there(
    client: GraphQLClient, topic: BrokerTopic, producer: User, superuser: User, kind: MessageType
) -> None:
    """Somebody took the name that a victim is about to publish to: the victim learns of it."""
    taken = {"topic": "topic", "text": "?", "responseTopic": "topic_plans"}
    assert (await client.value(PUBLISH, {"input": taken}, as_=producer))["responseTopic"]
    meant = {"topic": "topic_plans", "text": "secret", "messageType": kind.name}
    error = await client.refusal(PUBLISH, {"input": meant}, as_=superuser)
    assert error["extensions"]["code"] == "CONFLICT"
    assert "'topic_plans' is a response topic" in error["message"]
    assert await database.read(BrokerMessage.objects.count) == 1


@pytest.mark.parametrize("properties", [{}, *({"messageType": each} for each in OTHER_TYPES)])
@pytest.mark.django_db(transaction=True)
async def test_no_plain_message_by_dasf(
    dasf: OpenDasf,
    topic: BrokerTopic,
    producer: User,
    superuser: User,
    properties: dict[str, Any],
) -> None:
    """A frame without a type is a request, too."""
    request = message(properties={"response_topic": "topic_plans"})
    assert (await ask(await dasf("topic", producer), request))["result"] == "ok"
    refused = await ask(await dasf("topic_plans", superuser), message(properties=properties))
    assert refused["result"].startswith("error: 'topic_plans' is a response topic")


@pytest.mark.parametrize("kind", OTHER_TYPES)
@pytest.mark.django_db
def test_no_plain_message_by_python(topic: BrokerTopic, producer: User, kind: MessageType) -> None:
    """The server itself, which may publish everywhere, does not either."""
    send(producer, response_topic="topic_plans")
    with pytest.raises(ConflictError, match="response topic"):
        publish("topic_plans", text="secret", message_type=kind)
    with pytest.raises(ConflictError, match="response topic"):
        BrokerTopic.objects.get(slug="topic_plans").create_and_send_message(
            User.objects.create_superuser("chief"), {"properties": {"messageType": kind.value}}
        )


@pytest.mark.parametrize("kind", ANSWER_TYPES)
@pytest.mark.django_db
def test_answers_are_taken(
    topic: BrokerTopic, producer: User, consumer: User, kind: MessageType
) -> None:
    """All that backend modules send."""
    send(producer, response_topic="topic_answers")
    assert send(consumer, "topic_answers", message_type=kind).message.is_response


# --- the names of response topics -------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.django_db
def test_no_name_tells_of_a_hidden_topic(
    name: str, make_topic: MakeTopic, make_user: MakeUser
) -> None:
    """A name that a caller may not give is refused alike, and as fast, whether it is taken."""
    source = make_topic("topic_of_all")
    asking = make_user("asking", source, Right.PRODUCE)
    missing = _refusal(asking, name)
    make_topic(name)
    assert _refusal(asking, name) == missing
    assert "BAD_INPUT" in str(missing)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.django_db(transaction=True)
async def test_no_name_tells_on_any_door(
    clients: list[GraphQLClient], dasf: OpenDasf, make_topic: MakeTopic, superuser: User, name: str
) -> None:
    """The same text and code, with GraphQL and with DASF."""

    def prepare() -> User:
        asking = User.objects.create_user("asking")
        grant(asking, make_topic("topic_of_all"), Right.PRODUCE)
        return asking

    asking = await database.write(prepare)
    request = {"topic": "topic_of_all", "text": "?", "responseTopic": name}
    socket = await dasf("topic_of_all", asking)
    said: list[list[Any]] = []
    for _ in range(2):
        said.append(
            [await each.refusal(PUBLISH, {"input": request}, as_=asking) for each in clients]
        )
        frame = message(messageId=str(uuid4()), properties={"response_topic": name})
        said[-1].append((await ask(socket, frame))["result"])
        if len(said) == 1:
            await database.write(make_topic, name)
    assert said[0] == said[1]


@pytest.mark.django_db
def test_names_that_clients_choose(topic: BrokerTopic, producer: User) -> None:
    """The name of the topic with something behind it, as ``demessaging`` does."""
    dice = random.Random(8)  # noqa: S311
    for joint in "_-":
        own_part = "".join(dice.choices(string.ascii_letters, k=8))
        name = f"topic{joint}{own_part}"
        assert send(producer, response_topic=name).response_topic == name
        assert send(producer, response_topic=name).response_topic == name


@pytest.mark.parametrize("way", ["adds topics", "superuser", "server", "setting"])
@pytest.mark.django_db
def test_any_name_for_some(
    way: str, topic: BrokerTopic, producer: User, superuser: User, settings: Settings
) -> None:
    """Who may create topics of any name may do so here; the host may allow it to all."""
    callers = {"superuser": Caller(superuser), "server": Caller.system()}
    if way == "adds topics":
        grant_globally(producer)
    settings.DASF_FREE_RESPONSE_TOPIC_NAMES = way == "setting"
    caller = callers.get(way, Caller(producer))
    assert send(caller, response_topic="answers").response_topic == "answers"


def _refusal(user: User, name: str) -> tuple[str, dict[str, Any], list[str]]:
    """Return what a request for answers under a name is told, and which tables it asks."""
    with _queries() as asked, pytest.raises(BrokerError) as refused:  # savepoints have names
        send(user, "topic_of_all", response_topic=name)
    return (
        str(refused.value),
        refused.value.extensions,
        [sql.split(" FROM ")[0].split(' "s')[0] for sql in asked],
    )


# --- how many ---------------------------------------------------------------------------------


def _requests(user: User, count: int, *, is_limited: bool = True) -> list[Publication]:
    envelopes = [
        Envelope.compose(max_size=1000, response_topic=f"topic_{uuid4().hex}") for _ in range(count)
    ]
    return [Publication(Caller(user), "topic", each, is_limited) for each in envelopes]


@pytest.mark.parametrize("policy", ["store", "disabled"])
@pytest.mark.django_db
def test_many_cost_as_many_queries_as_one(
    policy: str, topic: BrokerTopic, producer: User, settings: Settings
) -> None:
    """One new response topic, or five hundred; made, and refused."""
    BrokerTopic.objects.update(store_messages=policy)
    settings.DASF_MAX_NEW_TOPICS = 500
    publish_batch(_requests(producer, 2))  # Django looks up the content type once
    costs = [_cost(_requests(producer, count)) for count in (1, 2, 500)]
    assert costs[1:] == [costs[0]] * 2
    assert ResponseTopic.objects.count() == 2 + 1 + 2 + 500
    settings.DASF_MAX_NEW_TOPICS = 1
    assert _cost(_requests(producer, 500)) == costs[0]
    assert ResponseTopic.objects.count() == 2 + 1 + 2 + 500 + 1


@pytest.mark.django_db(transaction=True)
async def test_a_request_creates_so_many(
    client: GraphQLClient, topic: BrokerTopic, producer: User, settings: Settings
) -> None:
    """The first ones are taken, each of the others is refused for itself."""
    settings.DASF_MAX_NEW_TOPICS = 3
    names = [f"topic_{number}" for number in range(5)]
    inputs = [{"topic": "topic", "text": "?", "responseTopic": name} for name in (*names, names[0])]
    done = await client.value(
        "mutation ($inputs: [PublishMessageInput!]!) { publishMessages(inputs: $inputs) "
        "{ results { status error { code message } } } }",
        {"inputs": inputs},
        as_=producer,
    )
    codes_ = [each["error"] and each["error"]["code"] for each in done["results"]]
    assert codes_ == [None, None, None, "RATE_LIMITED", "RATE_LIMITED", None]
    assert "at most 3 topics" in done["results"][3]["error"]["message"]
    assert await database.read(ResponseTopic.objects.count) == 3


@pytest.mark.django_db
def test_it_is_the_bound_of_a_caller(
    topic: BrokerTopic, producer: User, make_user: MakeUser, settings: Settings
) -> None:
    """Who shares a transaction has a bound of their own; the host's own code has none."""
    settings.DASF_MAX_NEW_TOPICS = 2
    other = make_user("other", topic, Right.PRODUCE)
    batch = [*_requests(producer, 3), *_requests(other, 2), *_requests(producer, 1)]
    stored, refused = "STORED", "RATE_LIMITED"
    assert codes(publish_batch(batch)) == [stored, stored, refused, stored, stored, refused]
    assert set(codes(publish_batch(_requests(producer, 9, is_limited=False)))) == {stored}
    server = [publication(Caller.system(), response_topic=f"topic_{each}") for each in range(9)]
    assert set(codes(publish_batch(server))) == {stored}


@pytest.mark.django_db
def test_plain_topics_count_too(producer: User, settings: Settings) -> None:
    """A message that creates its topic and the one for its answers creates two."""
    settings.DASF_MAX_NEW_TOPICS = 3
    grant_globally(producer)
    batch = [
        publication(producer, f"new-{each}", response_topic=f"new-{each}-a") for each in range(3)
    ]
    assert codes(publish_batch(batch)) == ["STORED", "RATE_LIMITED", "RATE_LIMITED"]
    assert set(BrokerTopic.objects.exclude(slug="topic").values_list("slug", flat=True)) == {
        "new-0",
        "new-0-a",
    }


def grant_globally(user: User) -> None:
    """Let a user add topics."""
    user.user_permissions.add(Permission.objects.get(codename=Right.ADD))


def _cost(batch: list[Publication]) -> int:
    with _queries() as asked:
        publish_batch(batch)
    return len(asked)


@contextmanager
def _queries() -> Iterator[list[str]]:
    """Collect the statements, those for savepoints too."""
    asked: list[str] = []
    with CaptureQueriesContext(connection) as captured:
        yield asked
    asked.extend(query["sql"] for query in captured.captured_queries)
