"""Every result of every door is JSON that strict parsers read."""

from __future__ import annotations

import base64
import json
import logging
import math
from typing import Any

import orjson
import pytest
from django.contrib.auth.models import User
from django.db import connection

from dasf_broker import database
from dasf_broker.domain.envelope import Envelope, decode_data
from dasf_broker.domain.events import MessagePublished
from dasf_broker.models import BrokerMessage, BrokerTopic
from dasf_broker.operations.caller import Caller
from dasf_broker.operations.publications import Publication
from dasf_broker.operations.publish import publish
from dasf_broker.transports.json_codec import write_json
from dasf_broker.transports.websocket import dasf as dasf_door
from tests.doors.clients import GraphQLClient
from tests.doors.conftest import OpenSocket, OpenStream, Publish
from tests.doors.dasf.conftest import OpenDasf
from tests.doors.sockets import Socket
from tests.security.strict_json import FINE, POISON, check_results

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]

MESSAGE = """
query ($id: UUID!) { message(topic: "topic", messageId: $id) { data text payload content } }
"""
SUBSCRIPTION = 'subscription { messages(topic: "topic") { data text payload } }'
HEALTHY = 'subscription { messages(topic: "topic") { messageId } }'


def parse(text: str) -> None:
    """Read a text with the parsers that this run has."""
    orjson.loads(text)
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT %s::jsonb", [text])


def test_every_result_of_every_door(superuser: User) -> None:
    """Whatever is published, and whatever is repeated of a request."""
    check_results(superuser, parse, examples=15)


@pytest.mark.parametrize("text", POISON, ids=lambda text: ascii(text)[:30])
async def test_poison(
    client: GraphQLClient, topic: BrokerTopic, superuser: User, text: str
) -> None:
    """It is null as JSON, and stays what it is as text and as bytes."""
    payload = base64.b64encode(text.encode()).decode()
    await database.write(_publish, superuser, topic, payload)
    row = await database.read(BrokerMessage.objects.get)
    found = await client.value(MESSAGE, {"id": str(row.message_id)}, as_=superuser)
    assert (found["data"], found["text"], found["payload"]) == (None, text, payload)
    assert found["content"]["payload"] == payload


@pytest.mark.parametrize("text", FINE, ids=lambda text: ascii(text)[:30])
def test_what_every_parser_reads(text: str) -> None:
    """Is there as JSON."""
    assert decode_data(base64.b64encode(text.encode()).decode()) == json.loads(text)


async def test_nul_as_text(client: GraphQLClient, topic: BrokerTopic, superuser: User) -> None:
    """A text with NUL is in the payload only: PostgreSQL's parser refuses it."""
    payload = base64.b64encode(b"a\0b").decode()
    await database.write(_publish, superuser, topic, payload)
    row = await database.read(BrokerMessage.objects.get)
    found = await client.value(MESSAGE, {"id": str(row.message_id)}, as_=superuser)
    assert (found["data"], found["text"], found["payload"]) == (None, None, payload)


async def test_poison_ends_no_subscription(
    enter: OpenSocket, topic: BrokerTopic, superuser: User
) -> None:
    """The subscriptions of a socket go on, that of the message among them."""
    socket = await enter(superuser)
    await socket.subscribe(SUBSCRIPTION, id_="a")
    await socket.subscribe(HEALTHY, id_="b")
    for text in POISON:
        payload = base64.b64encode(text.encode()).decode()
        await database.write(_publish, superuser, topic, payload)
    frames = [await socket.receive() for _ in range(2 * len(POISON))]
    assert {frame["type"] for frame in frames} == {"next"}
    received = [each["payload"]["data"]["messages"] for each in frames if each["id"] == "a"]
    assert [each["data"] for each in received] == [None] * len(POISON)
    assert [each["text"] for each in received] == POISON


# --- the second line --------------------------------------------------------------------------


NO_JSON = [float("inf"), float("nan"), "\ud800", {"\udfff": 1}, ["\ude00\ud83d"]]


@pytest.mark.parametrize("value", NO_JSON, ids=ascii)
def test_the_encoder_refuses(value: Any) -> None:
    """What got this far would be read by nobody."""
    with pytest.raises(ValueError):  # noqa: PT011 - each kind has a text of its own
        write_json({"data": {"x": value}})


@pytest.mark.parametrize("value", ["\U0001f600", "\\ud800", "\0", "\\\\ud800", "é\u2028"])
def test_the_encoder_writes(value: str) -> None:
    """Pairs, and what only looks like half a pair."""
    assert json.loads(write_json([value])) == [value]


@pytest.fixture
def _unchecked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MessagePublished, "read_data", lambda _: {"a": [float("inf"), "\ud800"]})


@pytest.mark.usefixtures("_unchecked")
async def test_one_operation_fails(
    client: GraphQLClient,
    topic: BrokerTopic,
    superuser: User,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The client gets INTERNAL, and the log has the cause."""
    await database.write(_publish, superuser, topic, "YQ==")
    row = await database.read(BrokerMessage.objects.get)
    with caplog.at_level(logging.CRITICAL):
        answer = await client.execute(MESSAGE, {"id": str(row.message_id)}, as_=superuser)
    [error] = answer["errors"]
    assert error["extensions"]["code"] == "INTERNAL"
    assert error["extensions"]["logId"]


@pytest.mark.usefixtures("_unchecked")
async def test_the_socket_survives(
    enter: OpenSocket, topic: BrokerTopic, superuser: User, caplog: pytest.LogCaptureFixture
) -> None:
    """Only the subscription that asks for it ends."""
    socket: Socket = await enter(superuser)
    await socket.subscribe(HEALTHY, id_="healthy")
    await socket.subscribe(SUBSCRIPTION, id_="bad")
    with caplog.at_level(logging.CRITICAL):
        await database.write(_publish, superuser, topic, "YQ==")
        frames = [await socket.receive() for _ in range(2)]
    by_id = {frame["id"]: frame for frame in frames}
    assert by_id["healthy"]["type"] == "next"
    assert by_id["bad"]["payload"][0]["extensions"]["code"] == "INTERNAL"
    await database.write(_publish, superuser, topic, "YQ==")
    assert (await socket.receive())["id"] == "healthy"


@pytest.mark.usefixtures("_unchecked")
async def test_the_stream_ends_well(
    open_stream: OpenStream,
    topic: BrokerTopic,
    superuser: User,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It is the same for server-sent events."""
    with caplog.at_level(logging.CRITICAL):
        await database.write(_publish, superuser, topic, "YQ==")
        stream = await open_stream(SUBSCRIPTION, as_=superuser)
        assert (await stream.error())["extensions"]["code"] == "INTERNAL"


async def test_modules_go_on(
    dasf: OpenDasf,
    topic: BrokerTopic,
    producer: User,
    consumer: User,
    publish_text: Publish,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A message that cannot be written is left out; it would come again with each connection."""
    monkeypatch.setattr(dasf_door, "write_json", _write_broken)
    socket = await dasf("topic/me", consumer)
    with caplog.at_level(logging.CRITICAL):
        await database.write(publish_text, producer, topic, "broken", context=1)
        await database.write(publish_text, producer, topic, "well")
        frame = await socket.receive()
    assert base64.b64decode(frame["payload"]) == b"well"


def _write_broken(value: Any) -> str:
    """Write a message, one with a context as if it had a number that JSON does not have."""
    return write_json({**value, "context": math.inf} if "context" in value else value)


def _publish(user: User, topic: BrokerTopic, payload: str) -> None:
    envelope = Envelope.compose(max_size=10**6, payload=payload)
    publish(Publication(Caller.of(user), topic.slug, envelope))
