"""A body may be large where it publishes; its values are counted before they are parsed."""

from __future__ import annotations

import gc
import json
from typing import Any

import pytest
from django.contrib.auth.models import User
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from dasf_broker import database
from dasf_broker.domain import json_text
from dasf_broker.domain.envelope import MAX_PROPERTY_VALUES, Envelope, decode_data, encode_payload
from dasf_broker.domain.json_text import MAX_LEVELS, MAX_VALUES
from dasf_broker.exceptions import BadInputError, BrokerError, PayloadTooLargeError
from dasf_broker.models import BrokerMessage, BrokerTopic
from dasf_broker.permissions import Right, grant
from dasf_broker.schema import served_schema
from dasf_broker.schema.limits.errors import InvalidDocumentError
from dasf_broker.transports.graphql.execution import GraphQLRequest, examine
from tests.doors.clients import GraphQLClient, is_refusal
from tests.doors.conftest import OpenSocket
from tests.doors.dasf.conftest import OpenDasf
from tests.doors.dasf.frames import ask, message
from tests.doors.sockets import ClosedError
from tests.security.large_bodies import FEW, FRAME, MANY, Body
from tests.unit.strategies import JSON

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("django_thread", "hub_lifetime"),
]

LIMIT = 256 * 1024
INPUTS, FIELD = "[PublishMessageInput!]!", "publishMessages(inputs: $x) { __typename }"
PUBLISH = f"mutation ($x: {INPUTS}) {{ {FIELD} }}"


# --- values are counted -----------------------------------------------------------------------


@pytest.mark.parametrize("name", MANY)
def test_many_values_are_not_parsed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The parser never sees them."""
    monkeypatch.setattr(json.JSONDecoder, "decode", _never)
    for text in (MANY[name].value(FRAME), MANY[name].frame(FRAME)):
        with pytest.raises(PayloadTooLargeError, match="base64"):
            json_text.parse(text)


@pytest.mark.parametrize("name", ["opening brackets", "opening braces"])
def test_deep_values_are_not_parsed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor are those with too many levels."""
    monkeypatch.setattr(json.JSONDecoder, "decode", _never)
    with pytest.raises(BrokerError):
        json_text.parse(FEW[name].value(FRAME))


@pytest.mark.parametrize("text", ["a text", "commas in a text", "brackets in a text", "quotes"])
def test_a_large_text_is_one_value(text: str) -> None:
    """Whatever it consists of."""
    written = FEW[text].value(FRAME)
    assert json_text.parse(written) == json.loads(written)


@given(value=JSON)
def test_what_is_small_is_read(value: Any) -> None:
    """The counting takes nothing for more than it is."""
    assert json_text.parse(json.dumps([value] * 200)) == [value] * 200


@given(text=st.text(st.sampled_from('\\"[]{},:a ')), count=st.integers(1, 3))
def test_texts_are_no_values(text: str, count: int) -> None:
    """Backslashes and quotes do not hide where a text ends."""
    value = {text: [text] * count, "list": [0] * (MAX_VALUES - 100)}
    assert json_text.parse(json.dumps(value)) == value
    value["list"] = [[0]] * (MAX_VALUES // 2 + 100)
    with pytest.raises(PayloadTooLargeError):
        json_text.parse(json.dumps(value))


@pytest.mark.parametrize("extra", [-1, 0, 1, 2])
def test_the_most_values(extra: int) -> None:
    """So many are read; one more is too many."""
    text = json.dumps([0] * (MAX_VALUES - 1 + extra))
    if extra <= 0:
        json_text.parse(text)
    else:
        with pytest.raises(PayloadTooLargeError):
            json_text.parse(text)


@pytest.mark.parametrize("depth", [MAX_LEVELS - 2, MAX_LEVELS + 2, 3 * MAX_LEVELS])
@pytest.mark.parametrize(("begin", "end"), [("[[", "]]"), ('{"a":[', "]}"), ('[{"]":', "}]")])
def test_the_most_levels(begin: str, end: str, depth: int) -> None:
    """Each bracket is one; side by side they are none."""
    text = f"{begin * (depth // 2)}0{end * (depth // 2)}"
    beside = f"[{','.join([text] * 3)}]"
    if depth < MAX_LEVELS:
        assert json_text.parse(beside) == [json.loads(text)] * 3
    else:
        with pytest.raises(BadInputError):
            json_text.parse(beside)


def test_the_collector_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """It does not look at each new list of a large body, and goes on afterwards."""
    seen: list[bool] = []
    monkeypatch.setattr(json.JSONDecoder, "decode", lambda *_: seen.append(gc.isenabled()))
    json_text.parse("[" + "[]," * 10_000 + "0]")
    json_text.parse("[]")
    assert (seen, gc.isenabled()) == ([False, True], True)
    monkeypatch.setattr(json.JSONDecoder, "decode", _never)
    with pytest.raises(AssertionError):
        json_text.parse(" " * 100_000)
    assert gc.isenabled()


@pytest.mark.parametrize("name", [*MANY, "integers"])
def test_bodies_of_messages(name: str) -> None:
    """One that has too many values is there as text, not as JSON."""
    body: Body = MANY[name] if name in MANY else FEW[name]
    assert decode_data(encode_payload(body.value(2 * 10**6).encode())) is None


# --- who may send them ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "query",
    [
        "{ __typename }",
        '{ topic(slug: "topic") { slug } }',
        'mutation { pingTopic(topic: "topic") { pingedAt } }',
        'mutation { publishMessage: deleteTopic(topic: "topic") { slug } }',
        'mutation { createTopic(input: {slug: "x"}) { topic { slug } } }',
    ],
)
async def test_other_operations_are_small(
    client: GraphQLClient, topic: BrokerTopic, query: str
) -> None:
    """Unless it publishes, an operation may have 256 KiB, whatever is in it."""
    request = {"query": query, "variables": {"unused": "x" * (LIMIT - 500)}}
    assert "PAYLOAD_TOO_LARGE" not in json.dumps(await client.send(request, None))
    answer = await client.send({"query": query, "variables": {"unused": "x" * LIMIT}}, None)
    [error] = answer["errors"]
    assert is_refusal(error, "PAYLOAD_TOO_LARGE")
    assert error["extensions"]["limit"] == LIMIT
    assert answer["status"] in {413, "error", "next"}


@pytest.mark.parametrize(
    "query",
    [
        PUBLISH,
        f"mutation ($x: {INPUTS}) {{ ...F }} fragment F on Mutation {{ a: {FIELD} }}",
        f"mutation ($x: {INPUTS}) {{ ... on Mutation {{ {FIELD} }} }}",
    ],
)
async def test_publishing_may_be_large(
    client: GraphQLClient, topic: BrokerTopic, producer: User, query: str
) -> None:
    """However the operation is written."""
    inputs = [{"topic": "topic", "text": "x" * 500_000}] * 2
    answer = await client.execute(query, {"x": inputs}, as_=producer)
    assert not answer["errors"]
    assert await database.read(BrokerMessage.objects.count) == 2


async def test_the_limit_is_a_setting(
    client: GraphQLClient, topic: BrokerTopic, settings: Settings
) -> None:
    """A host whose own mutations take more may raise it."""
    settings.DASF_MAX_REQUEST_SIZE = 1000
    error = await client.refusal("{ __typename }", {"unused": "x" * 1000})
    assert error["extensions"]["limit"] == 1000
    settings.DASF_MAX_REQUEST_SIZE = 10**6
    assert await client.value("{ __typename }", {"unused": "x" * 500_000}) == "Query"


async def test_refused_operations_end_no_other(enter: OpenSocket, topic: BrokerTopic) -> None:
    """The socket goes on."""
    socket = await enter()
    await socket.subscribe("{ __typename }", {"unused": "x" * LIMIT}, id_="large")
    [error] = await socket.error("large")
    assert is_refusal(error, "PAYLOAD_TOO_LARGE")
    await socket.subscribe("{ __typename }")
    assert await socket.data() == "Query"


@pytest.mark.parametrize("kind", ["ping", "pong", "complete", "connection_init"])
async def test_other_frames_are_small(enter: OpenSocket, kind: str) -> None:
    """They have nothing to say that is large."""
    socket = await enter()
    await socket.send({"type": kind, "id": "1", "payload": {"x": "x" * LIMIT}})
    with pytest.raises(ClosedError) as closed:
        await socket.receive()
    assert closed.value.code == 1009


@pytest.mark.parametrize("name", MANY)
async def test_frames_with_many_values(enter: OpenSocket, topic: BrokerTopic, name: str) -> None:
    """They are closed like those that are too long."""
    socket = await enter()
    await socket.send_text(MANY[name].frame(FRAME, publishes=True))
    with pytest.raises(ClosedError) as closed:
        await socket.receive()
    assert (closed.value.code, "base64" in closed.value.reason) == (1009, True)


async def test_frames_of_dasf(dasf: OpenDasf, topic: BrokerTopic, producer: User) -> None:
    """Messages may be large; acknowledgements are not, and are refused like other mistakes."""
    socket = await dasf("topic", producer)
    assert (await ask(socket, message("x" * 500_000)))["result"] == "ok"
    for many in MANY.values():
        await socket.send_text(f'{{"messageId": {many.value(FRAME // 2)}}}')
        assert "error: The JSON has more than" in (await socket.receive())["result"]
    reader = await dasf("topic/me", producer)
    result = await ask(reader, {"messageId": "x", "payload": "x" * LIMIT})
    assert result["result"] == f"error: A frame has at most {LIMIT} characters here."


# --- messages ---------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [MAX_PROPERTY_VALUES - 2, MAX_PROPERTY_VALUES])
@pytest.mark.parametrize("value", [0.1, 1, None, "", [], {}, True], ids=repr)
async def test_values_of_properties(
    topic: BrokerTopic, producer: User, dasf: OpenDasf, value: Any, count: int
) -> None:
    """Each is looked at several times before the message is stored, so there are not too many."""
    socket = await dasf("topic", producer)
    frame = message(properties={"own": [value] * count})
    result = (await ask(socket, frame))["result"]
    assert ("base64" in result) is (count == MAX_PROPERTY_VALUES)
    assert (result == "ok") is (count < MAX_PROPERTY_VALUES)


@pytest.mark.parametrize("number", [10**308, -(10**308), 10**400, 10**4000])
def test_integers_without_end(number: int) -> None:
    """Some parsers take them for infinity."""
    with pytest.raises(BadInputError, match="308"):
        Envelope.compose(max_size=10**6, properties={"own": [{"deep": number}]})
    assert decode_data(encode_payload(json.dumps([number]).encode())) is None


@pytest.mark.parametrize("sign", ["+", "-"])
def test_exponents_in_texts_are_texts(sign: str) -> None:
    """What looks like a number with many digits is none in a text."""
    for digits in (3, 400, 5000):
        text = f",1e{sign}{'9' * digits},"
        envelope = Envelope.compose(max_size=10**6, properties={"own": text})
        assert envelope.properties["own"] == text


@pytest.mark.parametrize("number", [1e300, -1e300, 1e-300])
def test_exponents_have_digits(number: float) -> None:
    """In PostgreSQL they are written out."""
    Envelope.compose(max_size=10**6, properties={"own": [number] * 3000})
    with pytest.raises(PayloadTooLargeError):
        Envelope.compose(max_size=10**6, properties={"own": [number] * 4000})


# --- variables --------------------------------------------------------------------------------


def test_items_are_not_counted_to_the_end(settings: Settings) -> None:
    """Nor looked at, once there are too many."""
    seen = 0

    class Inputs(list[Any]):
        def __iter__(self) -> Any:
            nonlocal seen
            seen += 1
            return super().__iter__()

    inputs = Inputs([Inputs([{}])] * 50_000)
    with pytest.raises(InvalidDocumentError, match="items"):
        examine(served_schema(), GraphQLRequest(PUBLISH, {"x": inputs}, None))
    assert seen <= 2


async def test_publishers_may_send_all_of_it(
    client: GraphQLClient, topic: BrokerTopic, stranger: User
) -> None:
    """Nearly as many values as may be, as the body of a message, come back as they were."""
    await database.write(grant, stranger, topic, Right.PRODUCE, Right.CONSUME)
    data = [[0.5]] * 30_000
    document = (
        "mutation ($x: JSON!) "
        '{ publishMessage(input: {topic: "topic", data: $x}) { message { data } } }'
    )
    published = await client.value(document, {"x": data}, as_=stranger)
    assert published["message"]["data"] == data


def _never(*_: Any) -> Any:
    raise AssertionError
