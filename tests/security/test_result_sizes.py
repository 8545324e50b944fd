"""No result is longer than its limit, and no operation reads or publishes more than it may."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.db import transaction
from pytest_django import Settings

from dasf_broker import database
from dasf_broker.domain import events
from dasf_broker.domain.envelope import Envelope, decode_data
from dasf_broker.domain.sizes import LARGE
from dasf_broker.models import BrokerMessage, BrokerTopic
from dasf_broker.operations.caller import Caller
from dasf_broker.operations.lists import paging
from dasf_broker.operations.publications import Publication
from dasf_broker.operations.publish import publish_batch
from dasf_broker.operations.topics import store_api_info
from dasf_broker.permissions import Right, grant
from dasf_broker.schema.execution.executor import Executor
from tests.conftest import MakeTopic, MakeUser
from tests.doors.clients import DoorClient, GraphQLClient, is_refusal, key_of
from tests.doors.conftest import OpenSocket

pytestmark = pytest.mark.django_db(transaction=True)

KIB = 1024
MIB = 1024 * KIB

#: All names that one selection may give to a body.
ALIASES = "abcdefghijklmno"
BODIES = ("payload", "text", "data", "content", "properties")

#: Bodies of about the same number of bytes, in JSON, whose results differ in length and in shape.
SHAPES: dict[str, Callable[[int], Any]] = {
    "text": lambda size: "x" * size,
    "quotes": lambda size: '"' * (size // 2),
    "controls": lambda size: "\x01" * (size // 6),
    "umlauts": lambda size: "ä" * (size // 6),
    "emoji": lambda size: "\N{PILE OF POO}" * (size // 12),
    "numbers": lambda size: [1.5] * (size // 4),
    "powers": lambda size: [1e15] * (size // 19),
    "lists": lambda size: [[]] * (size // 3),
    "objects": lambda size: [{"k": None}] * (size // 11),
}


def aliases(field: str, names: str = ALIASES) -> str:
    """Return a selection of a field under many names."""
    return " ".join(f"{name}: {field}" for name in names)


@transaction.atomic
def store(user: User, slug: str, *bodies: dict[str, Any]) -> list[UUID]:
    """Publish messages, and return their ids."""
    sent = [
        Publication(Caller(user), slug, Envelope.compose(max_size=2 * MIB, **body))
        for body in bodies
    ]
    publish_batch(sent)
    return [each.envelope.message_id for each in sent]


@pytest.fixture
def reader(make_user: MakeUser, make_topic: MakeTopic) -> User:
    """Return a user with all rights on a topic that keeps its messages."""
    topic = make_topic("topic", store_messages="store")
    return make_user("reader", topic, *Right)


@contextmanager
def counted_leaves(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """Note the leaves of all results."""
    seen: list[Any] = []
    complete = Executor.complete_leaf_value

    def note(self: Executor, kind: Any, value: Any) -> Any:
        seen.append(None)
        return complete(self, kind, value)

    with monkeypatch.context() as patch:
        patch.setattr(Executor, "complete_leaf_value", note)
        yield seen


@pytest.mark.parametrize("field", BODIES)
async def test_bodies_under_many_names(client: GraphQLClient, reader: User, field: str) -> None:
    """By each door, and without a part of it."""
    size = {"properties": 900, "content": 900}.get(field, 740) * KIB
    part = {"properties": {"x": "x" * size}} if size > 800 * KIB else {"data": "x" * size}
    await database.write(store, reader, "topic", *[part] * 2)
    query = f'{{ messages(topic: "topic") {{ edges {{ node {{ {aliases(field)} }} }} }} }}'
    answer = await client.execute(query, as_=reader)
    [error] = answer["errors"]
    assert answer["data"] is None
    assert error["extensions"]["code"] == "QUERY_TOO_COMPLEX"
    assert error["extensions"]["limit"] == 16 * MIB
    assert error["extensions"]["unit"] == "bytes"
    assert str(error["extensions"]["value"]) in error["message"]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("field", BODIES)
async def test_what_is_counted_is_what_is_written(
    field: str, shape: str, reader: User, settings: Settings
) -> None:
    """A result just within its limit is returned; with a limit below its length, it is not."""
    value = SHAPES[shape](20 * KIB)
    body = {"properties": {"x": value}} if field == "properties" else {"data": value}
    await database.write(store, reader, "topic", body)
    query = f'{{ messages(topic: "topic") {{ edges {{ node {{ {aliases(field)} }} }} }} }}'
    client, key = DoorClient(), await key_of(reader)
    answer = await client.execute(query, as_=key)
    assert not answer["errors"]
    length = len(json.dumps(answer["data"], separators=(",", ":")))
    settings.DASF_MAX_RESULT_SIZE = length - 100
    assert is_refusal(await client.refusal(query, as_=key), "QUERY_TOO_COMPLEX")
    settings.DASF_MAX_RESULT_SIZE = length + 1000
    assert not (await client.execute(query, as_=key))["errors"]


async def test_names_count(reader: User, settings: Settings) -> None:
    """A name of 15 KB is written once for each item."""
    await database.write(store, reader, "topic", *[{}] * 200)
    settings.DASF_MAX_RESULT_SIZE = MIB
    name = "n" * 15_000
    query = f'{{ messages(topic: "topic") {{ edges {{ node {{ {name}: context }} }} }} }}'
    error = await DoorClient().refusal(query, as_=reader)
    assert is_refusal(error, "QUERY_TOO_COMPLEX")


async def test_no_field_is_resolved_after_the_refusal(
    reader: User, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The work is that of the limit, not that of the document."""
    await database.write(store, reader, "topic", *[{"text": "x" * 4000}] * 100)
    query = f'{{ messages(topic: "topic") {{ edges {{ node {{ {aliases("payload")} }} }} }} }}'
    key = await key_of(reader)
    settings.DASF_MAX_RESULT_SIZE = MIB
    with counted_leaves(monkeypatch) as seen:
        assert is_refusal(await DoorClient().refusal(query, as_=key), "QUERY_TOO_COMPLEX")
    assert len(seen) <= MIB // 4000


async def test_a_body_is_decoded_once(reader: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under however many names."""
    await database.write(store, reader, "topic", *[{"data": [[]] * 100}] * 3)
    calls = count()
    decode = decode_data
    monkeypatch.setattr(events, "decode_data", lambda payload: (next(calls), decode(payload))[1])
    query = f'{{ messages(topic: "topic") {{ edges {{ node {{ {aliases("data")} }} }} }} }}'
    assert (await DoorClient().value(query, as_=reader))["edges"]
    assert next(calls) == 3


async def test_results_of_a_subscription(
    enter: OpenSocket, reader: User, settings: Settings
) -> None:
    """One that is too long is refused by itself, and the subscription goes on."""
    settings.DASF_MAX_RESULT_SIZE = 64 * KIB
    await database.write(store, reader, "topic", {"text": "x" * 8000}, {"text": "short"})
    socket = await enter(reader)
    query = f'subscription {{ messages(topic: "topic") {{ {aliases("payload")} }} }}'
    await socket.send({"type": "subscribe", "id": "1", "payload": {"query": query}})
    frame = await socket.receive()
    assert frame["type"] == "next"
    assert frame["payload"]["data"] is None
    [error] = frame["payload"]["errors"]
    assert is_refusal(error, "QUERY_TOO_COMPLEX")
    frame = await socket.receive()
    assert set(frame["payload"]["data"]["messages"].values()) == {_base64("short")}


async def test_results_of_mutations(reader: User, settings: Settings) -> None:
    """They are refused as well; what was published before stays published."""
    settings.DASF_MAX_RESULT_SIZE = 256 * KIB
    inputs = [{"topic": "topic", "text": "x" * 8000}] * 10
    query = f"""mutation ($inputs: [PublishMessageInput!]!) {{ publishMessages(inputs: $inputs) {{
      results {{ message {{ {aliases("payload")} }} }} }} }}"""
    answer = await DoorClient().execute(query, {"inputs": inputs}, as_=reader)
    assert answer["data"] is None
    assert is_refusal(answer["errors"][0], "QUERY_TOO_COMPLEX")
    assert await database.read(BrokerMessage.objects.count) == 10


async def test_api_descriptions(
    reader: User, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are not even read where they are too large together."""
    settings.DASF_MAX_RESULT_SIZE = 256 * KIB
    await database.write(_describe, reader, 30)
    read: list[Any] = []
    monkeypatch.setattr(
        BrokerTopic._meta.get_field("api_info"),
        "from_db_value",
        lambda value, *_: read.append(value),
    )
    query = "{ topics(first: 30) { edges { node { apiInfo } } } }"
    assert is_refusal(await DoorClient().refusal(query, as_=reader), "QUERY_TOO_COMPLEX")
    assert not read


@transaction.atomic
def _describe(user: User, topics: int) -> None:
    for number in range(topics):
        topic = BrokerTopic.objects.create(slug=f"described-{number}")
        grant(user, topic, *Right)
        store_api_info(Caller(user), topic.slug, {"description": "x" * 10 * KIB})


# --- pages ------------------------------------------------------------------------------------


@pytest.mark.parametrize("direction", ["first", "last"])
@pytest.mark.parametrize("order", ["OLDEST", "NEWEST"])
@pytest.mark.parametrize(
    "sizes",
    [
        [400] * 9,
        [1, 1, 1, 400, 1, 1, 400, 400, 1],
        [1] * 30,
        [900],
        [100, 700, 20, 20, 700, 5, 900],
    ],
)
async def test_pages_end_by_bytes(
    sizes: list[int], order: str, direction: str, reader: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A walk finds all of them, each once; a page has one large message, or few bytes."""
    ids = await database.write(
        store, reader, "topic", *[{"text": "x" * size * KIB} for size in sizes]
    )
    monkeypatch.setattr(paging, "PART", 16)
    key, cursor = await key_of(reader), None
    found: list[dict[str, Any]] = []
    edge = "after" if direction == "first" else "before"
    query = f"""query ($cursor: String) {{
      messages(topic: "topic", order: {order}, {direction}: 20, {edge}: $cursor) {{
        pageInfo {{ hasNextPage hasPreviousPage startCursor endCursor }}
        edges {{ node {{ messageId payload }} }} }} }}"""
    while True:
        page = await DoorClient().value(query, {"cursor": cursor}, as_=key)
        nodes, info = [each["node"] for each in page["edges"]], page["pageInfo"]
        large = [len(each["payload"]) for each in nodes if len(each["payload"]) > LARGE]
        assert len(large) == 1 or sum(large) <= MIB
        assert nodes
        found = found + nodes if direction == "first" else nodes + found
        if not info["hasNextPage" if direction == "first" else "hasPreviousPage"]:
            break
        cursor = info["endCursor" if direction == "first" else "startCursor"]
    expected = [str(each) for each in ids]
    assert [each["messageId"] for each in found] == (
        expected[::-1] if order == "NEWEST" else expected
    )


LISTS = ["messages", "outstandingMessages"]


@pytest.mark.parametrize("list_", LISTS)
async def test_pages_of_many_topics(
    list_: str, reader: User, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Together they have the bytes of one page, but each has its first message."""
    settings.DASF_MAX_RESULT_SIZE = MIB
    await database.write(_fill_topics, reader, 5)
    query = f"""{{ topics(first: 10) {{ edges {{ node {{ {list_}(first: 20) {{
      pageInfo {{ hasNextPage }} edges {{ node {{ payload }} }} }} }} }} }} }}"""
    page = await DoorClient().value(query, as_=reader)
    lists = [each["node"][list_] for each in page["edges"]]
    shown = [each for each in lists if each["edges"]]
    assert [(len(each["edges"]), each["pageInfo"]["hasNextPage"]) for each in shown] == [
        (1, True)
    ] * 5


async def test_first_messages_of_too_many_topics(
    reader: User, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are refused before one of them is read."""
    settings.DASF_MAX_RESULT_SIZE = 128 * KIB
    await database.write(_fill_topics, reader, 10)
    read = _note_contents(monkeypatch)
    query = "{ topics(first: 10) { edges { node { messages(first: 1) { edges { cursor } } } } } }"
    assert is_refusal(await DoorClient().refusal(query, as_=reader), "QUERY_TOO_COMPLEX")
    assert not read


async def test_the_same_list_in_many_parts(
    reader: User, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All that one operation reads counts, also under other arguments."""
    settings.DASF_MAX_RESULT_SIZE = 256 * KIB
    await database.write(_fill_topics, reader, 1)
    read = _note_contents(monkeypatch)
    parts = " ".join(
        f"{name}: messages(first: {number}) {{ edges {{ cursor }} }}"
        for number, name in enumerate(ALIASES, start=5)
    )
    error = await DoorClient().refusal(f'{{ topic(slug: "filled-0") {{ {parts} }} }}', as_=reader)
    assert is_refusal(error, "QUERY_TOO_COMPLEX")
    assert sum(read) <= 256 * KIB


async def test_source_messages(
    reader: User, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The attack that was seen: requests of many bytes, each under many names."""
    settings.DASF_MAX_RESULT_SIZE = 2 * MIB
    await database.write(_ask, reader, 45)
    read = _note_contents(monkeypatch)
    query = f"""{{ topic(slug: "answers") {{ ... on ResponseTopic {{
      sourceMessages(first: 50) {{ edges {{ node {{ {aliases("payload")} }} }} }} }} }} }}"""
    error = await DoorClient().refusal(query, as_=reader)
    assert is_refusal(error, "QUERY_TOO_COMPLEX")
    assert sum(read) <= 2 * MIB // paging.PART + 200 * KIB


@transaction.atomic
def _fill_topics(user: User, topics: int) -> None:
    for number in range(topics):
        slug = f"filled-{number}"
        grant(user, BrokerTopic.objects.create(slug=slug, store_messages="store"), *Right)
        store(user, slug, *[{"text": "x" * 20 * KIB}] * 10)


def _ask(user: User, requests: int) -> None:
    user.is_superuser = True
    user.save()
    store(user, "topic", *[{"text": "x" * 80 * KIB, "response_topic": "answers"}] * requests)


def _note_contents(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Note the size of each message that is read."""
    read: list[int] = []
    field = BrokerMessage._meta.get_field("content")
    convert = field.from_db_value

    def note(value: Any, *args: Any) -> Any:
        read.append(len(value))
        return convert(value, *args)

    monkeypatch.setattr(field, "from_db_value", note)
    return read


@pytest.mark.parametrize("sizes", [[1] * 5 + [300] * 6, [300, 1] * 4, [900, 900]])
async def test_pages_of_a_backlog(
    sizes: list[int], enter: OpenSocket, reader: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Large messages that wait behind small ones are not read all at once."""
    ids = await database.write(
        store, reader, "topic", *[{"text": "x" * size * KIB} for size in sizes]
    )
    pages: list[int] = []
    read = _note_contents(monkeypatch)
    missing = database.read

    async def note(*args: Any, **options: Any) -> Any:
        before = len(read)
        found = await missing(*args, **options)
        pages.append(sum(each for each in read[before:] if each > LARGE))
        return found

    monkeypatch.setattr(database, "read", note)
    socket = await enter(reader)
    query = 'subscription { messages(topic: "topic") { messageId } }'
    await socket.send({"type": "subscribe", "id": "1", "payload": {"query": query}})
    frames = [await socket.receive() for _ in ids]
    assert [each["payload"]["data"]["messages"]["messageId"] for each in frames] == [
        str(each) for each in ids
    ]
    assert max(pages) <= max(MIB // 2 + KIB, max(sizes) * KIB * 3 // 2)


# --- publishing -------------------------------------------------------------------------------

ONE = "mutation ($x: PublishMessageInput!) {{ {} }}"


@pytest.mark.parametrize("part", ["text", "data", "payload", "properties"])
async def test_one_variable_published_many_times(part: str, reader: User) -> None:
    """15 names of one input are not 15 bodies for the price of one."""
    value: Any = {"x": "x" * 900 * KIB} if part == "properties" else "abcd" * 150 * KIB
    fields = aliases("publishMessage(input: $x) { status }")
    answer = await DoorClient().execute(
        ONE.format(fields), {"x": {"topic": "topic", part: value}}, as_=reader
    )
    [error] = answer["errors"]
    assert error["extensions"]["code"] == "PAYLOAD_TOO_LARGE"
    assert error["extensions"]["limit"] == 8 * MIB
    assert await database.read(_stored_bytes) <= 8 * MIB


async def test_one_variable_published_in_one_list(reader: User) -> None:
    """Nothing of such a list is published, nor are all of its messages made."""
    field = f"publishMessages(inputs: [{', '.join(['$x'] * 200)}]) {{ results {{ status }} }}"
    error = await DoorClient().refusal(
        ONE.format(field), {"x": {"topic": "topic", "text": "x" * 500 * KIB}}, as_=reader
    )
    assert error["extensions"]["code"] == "PAYLOAD_TOO_LARGE"
    assert await database.read(_stored_bytes) == 0


async def test_large_batches_are_still_published(reader: User) -> None:
    """The limit is for copies: what one request can hold passes."""
    inputs = [{"topic": "topic", "text": f"{number}" * 100 * KIB} for number in range(10, 22)]
    query = """mutation ($inputs: [PublishMessageInput!]!) {
      publishMessages(inputs: $inputs) { results { status } } }"""
    done = await DoorClient().value(query, {"inputs": inputs}, as_=reader)
    assert done["results"] == [{"status": "STORED"}] * 12


async def test_a_large_message_is_always_allowed(reader: User, settings: Settings) -> None:
    """A host that allows larger messages need not raise another limit for them."""
    settings.DASF_MAX_PUBLISH_SIZE = 10 * KIB
    settings.DASF_MAX_MESSAGE_SIZE = 20 * KIB
    query = ONE.format("publishMessage(input: $x) { status }")
    done = await DoorClient().value(
        query, {"x": {"topic": "topic", "text": "x" * 14_000}}, as_=reader
    )
    assert done == {"status": "STORED"}


def _stored_bytes() -> int:
    return sum(BrokerMessage.objects.values_list("size", flat=True))


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
