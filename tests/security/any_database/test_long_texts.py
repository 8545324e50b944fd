"""A text of a million characters costs little anywhere, and errors repeat only its beginning."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from django.test import AsyncClient
from pytest_django import Settings

from dasf_broker.models import BrokerTopic
from dasf_broker.schema import served_schema
from testproject.asgi import application
from tests.doors.clients import Answer, GraphQLClient
from tests.doors.conftest import OpenSocket
from tests.doors.dasf.conftest import OpenDasf
from tests.doors.dasf.frames import message
from tests.doors.sockets import ClosedError, Socket
from tests.security.arguments import arguments_of

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("django_thread", "hub_lifetime"),
    pytest.mark.timeout(300),
]

LENGTH = 1_000_000

#: What the texts consist of.
UNITS = {
    "blanks": " ",
    "nul": "\0",
    "combining": "\u0301",
    "digits": "7",
    "foreign digits": "\u0663",
    "quotes": '"',
    "backslashes": "\\",
    "half pairs": "\ud800",
    "pairs": "\U0001f600",
    "brackets": "[{",
    "suggestions": "Did you mean ",
    "base64": "QUJD",
    "semicolons": ';"',
}

#: Those that every argument gets; of the others, every third one.
EVERYWHERE = {"blanks", "nul", "combining", "digits", "quotes"}

#: Seconds that one request may take, on a machine that has other things to do as well.
SECONDS = 2.0

#: Characters of an error.
SHORT = 1500

CODES = {
    "BAD_INPUT",
    "CONFLICT",
    "CURSOR_EXPIRED",
    "FORBIDDEN",
    "NOT_FOUND",
    "PAYLOAD_TOO_LARGE",
    "QUERY_TOO_COMPLEX",
    "UNAUTHENTICATED",
}

ARGUMENTS = arguments_of(served_schema()._schema)


@pytest.fixture
def public(topic: BrokerTopic) -> BrokerTopic:
    """Return the topic, which everybody may see."""
    topic.is_public = True
    topic.save()
    return topic


@pytest.fixture
def _large(settings: Settings) -> None:
    """Let nothing be refused only because the request is large."""
    settings.DASF_MAX_REQUEST_SIZE = settings.DASF_MAX_FRAME_SIZE = 16 * LENGTH
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 16 * LENGTH


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.usefixtures("_large", "public")
async def test_arguments(clients: list[GraphQLClient], unit: str) -> None:
    """Each argument, through one of the doors in turn."""
    text, offset = _text(unit), [*UNITS].index(unit)
    chosen = ARGUMENTS if unit in EVERYWHERE else ARGUMENTS[offset % 3 :: 3]
    for number, argument in enumerate(chosen, offset):
        with _quick():
            answer = await clients[number % len(clients)].execute(
                argument.document, argument.variables(text)
            )
        _check(answer, argument.name)


@pytest.mark.usefixtures("_large", "public")
@pytest.mark.parametrize("make", ["list", "object", "keys"])
async def test_values_of_another_kind(clients: list[GraphQLClient], make: str) -> None:
    """What stands in the place of a text: lists, objects, and fields that nobody knows."""
    text = "\0" * 300_000
    value = {"list": [text] * 3, "object": {text: text}, "keys": {f"k{i}": text for i in range(3)}}
    for number, argument in enumerate(ARGUMENTS):
        if argument.type == "JSON":
            continue
        with _quick():
            answer = await clients[number % len(clients)].execute(
                argument.document, argument.variables(value[make])
            )
        _check(answer, argument.name)
        assert answer["errors"], argument.name


@pytest.mark.usefixtures("_large", "public")
async def test_many_unknown_fields_beside_a_long_one(client: GraphQLClient) -> None:
    """The whole value is not written again for each of them."""
    document = "mutation ($x: PublishMessageInput!) { publishMessage(input: $x) { status } }"
    value = {"topic": "topic", "text": "\0" * LENGTH, **{f"unknown{i}": 1 for i in range(50)}}
    with _quick():
        answer = await client.execute(document, {"x": value})
    _check(answer, "unknown fields")
    assert len(answer["errors"]) == 1


@pytest.mark.usefixtures("_large")
@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("part", ["operationName", "query", "extensions"])
async def test_parts_of_a_request(client: GraphQLClient, part: str, unit: str) -> None:
    """Also where no variable is."""
    request: dict[str, Any] = {"query": "{ __typename }", part: _text(unit)}
    if part == "extensions":
        request["extensions"] = {"x": request["extensions"]}
    errors: list[dict[str, Any]] = []
    code = None
    with _quick():
        try:
            errors = (await client.send(request, None))["errors"]
        except ClosedError as closed:  # the socket ends where the request is none
            code = closed.code
    assert code in {None, 4400}
    for error in errors:
        _check_error(error, part)
    assert bool(errors or code) is (part != "extensions")


# --- headers ----------------------------------------------------------------------------------

#: Headers that the broker reads. Servers limit them to 64 KiB, but not to characters that are fine.
HEADERS = ["accept", "authorization", "cookie", "last-event-id", "origin", "x-csrftoken"]
HEADER_UNITS = [each for each in UNITS if each != "half pairs"]


@pytest.mark.parametrize("unit", HEADER_UNITS)
async def test_headers(unit: str, settings: Settings) -> None:
    """A long header is read in part, or refused."""
    settings.DASF_NUM_PROXIES = 3
    transport = httpx.ASGITransport(application)
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
        for name in [*HEADERS, "x-forwarded-for", "content-type"]:
            headers = {b"content-type": b"application/json", name.encode(): _header(name, unit)}
            body = b'{"query": "{ __typename }"}'
            with _quick():
                response = await client.post("/graphql/", content=body, headers=headers)
            assert response.status_code < 500, name
            for error in json.loads(response.text or "{}").get("errors", []):
                _check_error(error, name)


@pytest.mark.parametrize("unit", HEADER_UNITS)
async def test_headers_of_events(unit: str) -> None:
    """The id of the last event is a cursor, and no longer than one."""
    transport = httpx.ASGITransport(application)
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
        headers = {
            b"content-type": b"application/json",
            b"accept": b"text/event-stream",
            b"last-event-id": _header("last-event-id", unit),
        }
        query = 'subscription { messages(topic: "topic") { messageId } }'
        with _quick():
            response = await client.post(
                "/graphql/", content=json.dumps({"query": query}), headers=headers
            )
        assert len(response.text) < SHORT


@pytest.mark.parametrize("unit", HEADER_UNITS)
@pytest.mark.parametrize("name", HEADERS)
async def test_headers_of_sockets(open_socket: OpenSocket, name: str, unit: str) -> None:
    """The same for those that open a socket: it is closed, or goes on."""
    header, code = _header(name, unit).decode(), 1000
    with _quick():
        try:
            socket = await open_socket(headers={name: header})
            await socket.send({"type": "connection_init"})
            assert await socket.receive() == {"type": "connection_ack"}
        except ClosedError as closed:
            code = closed.code
    assert code in {1000, 4400, 4401, 4403}


# --- frames -----------------------------------------------------------------------------------


@pytest.mark.usefixtures("_large")
@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("part", ["id", "type", "complete", "payload"])
async def test_frames(enter: OpenSocket, part: str, unit: str) -> None:
    """A frame of nonsense closes the socket, with a reason that fits into a frame."""
    text = _text(unit)
    frame = {
        "id": {"type": "subscribe", "id": text, "payload": {"query": "{ __typename }"}},
        "type": {"type": text},
        "complete": {"type": "complete", "id": text},
        "payload": {"type": "subscribe", "id": "1", "payload": text},
    }[part]
    socket = await enter()
    with _quick():
        await socket.send(frame)
        with pytest.raises(ClosedError) as closed:
            await socket.receive()
    assert closed.value.code == 4400
    assert len(closed.value.reason.encode()) <= 123


@pytest.mark.parametrize("wrong", ["\0", "a\0", "\ud800", "a\udfff"], ids=ascii)
@pytest.mark.parametrize("kind", ["subscribe", "complete"])
async def test_ids_that_some_clients_cannot_read(enter: OpenSocket, kind: str, wrong: str) -> None:
    """The id is in each result of its operation, which every parser must read."""
    socket = await enter()
    await socket.send({"type": kind, "id": wrong, "payload": {"query": "{ __typename }"}})
    with pytest.raises(ClosedError) as closed:
        await socket.receive()
    assert closed.value.code == 4400


PRODUCED = ["messageId", "context", "payload", "properties"]
PROPERTIES = ["messageType", "response_topic", "fragment", "num_fragments", "own"]


@pytest.mark.usefixtures("_large", "public")
@pytest.mark.parametrize("unit", UNITS)
async def test_dasf(dasf: OpenDasf, unit: str) -> None:
    """Each field of the messages that modules send, and of what they acknowledge."""
    text = _text(unit)
    producer, status = await dasf("topic"), await dasf("status-ping")
    for frame in [
        *(message(**{name: text}) for name in PRODUCED),
        *(message(properties={name: text}) for name in PROPERTIES),
        *(message(properties={"fragment": 0, "num_fragments": 1, text: text}) for _ in range(1)),
    ]:
        await _check_dasf(producer, frame)
    for name in ("source_topic", "api_info", "messageType"):
        properties = {"source_topic": "topic", "api_info": "{}", name: text}
        await _check_dasf(status, message(properties=properties))


@pytest.mark.usefixtures("_large")
@pytest.mark.parametrize("unit", UNITS)
async def test_acknowledgements_of_dasf(dasf: OpenDasf, topic: BrokerTopic, unit: str) -> None:
    """A consumer gets an answer only where it is wrong."""
    await _check_dasf(await dasf("topic/me"), {"messageId": _text(unit)})


@pytest.mark.parametrize("unit", ["blanks", "digits", "quotes", "base64", "combining"])
@pytest.mark.parametrize("page", ["status", "ping"])
async def test_pages_of_topics(page: str, unit: str) -> None:
    """The slug in a URL, and the same in headers, as above."""
    with _quick():
        response = await AsyncClient().get(f"/{_text(unit)}/{page}/")
    assert response.status_code == 404


@pytest.mark.usefixtures("_large")
@pytest.mark.parametrize("unit", [each for each in UNITS if each != "half pairs"])
@pytest.mark.parametrize("part", ["query", "variables", "operationName", "extensions"])
async def test_queries_in_urls(settings: Settings, part: str, unit: str) -> None:
    """Servers limit URLs; where they do not, nothing else happens than with a body."""
    settings.DASF_GET_QUERIES = True
    parts = {"query": "{ __typename }", part: _text(unit)[:20_000]}
    headers = {"accept": "application/json"}
    with _quick():
        response = await AsyncClient().get("/graphql/", parts, headers=headers)
    assert response.status_code < 500
    for error in response.json().get("errors", []):
        _check_error(error, part)


# --- what is short ----------------------------------------------------------------------------


def _text(unit: str) -> str:
    return (UNITS[unit] * LENGTH)[:LENGTH]


def _header(name: str, unit: str) -> bytes:
    before = {"authorization": "Bearer ", "cookie": "sessionid="}.get(name, "")
    return (before + _text(unit)).encode()


@contextmanager
def _quick() -> Iterator[None]:
    begun = time.perf_counter()
    yield
    assert time.perf_counter() - begun < SECONDS


def _check(answer: Answer, name: str) -> None:
    for error in answer["errors"]:
        _check_error(error, name)


def _check_error(error: dict[str, Any], name: str) -> None:
    assert error["extensions"]["code"] in CODES, (name, error)
    assert len(error["message"]) <= SHORT, name
    assert not set(error["message"]) & {"\0", "\ud800"}, name
    assert "Did you mean" not in error["message"] or "Did you mean Did" in error["message"], name


async def _check_dasf(socket: Socket, frame: dict[str, Any]) -> None:
    with _quick():
        await socket.send(frame)
        result = await socket.receive()
    assert len(json.dumps(result)) <= 6 * SHORT * 3
    assert len(result["result"]) <= SHORT
    assert all(len(str(each)) <= SHORT for each in result.values())
    assert "An unexpected error" not in result["result"]


def test_texts_are_what_they_are_called() -> None:
    """All have the full length, and all kinds of arguments are met."""
    assert {len(_text(unit)) for unit in UNITS} == {LENGTH}
    assert base64.b64decode(_text("base64"), validate=True)
    kinds = {each.type for each in ARGUMENTS}
    assert kinds >= {"String", "ID", "UUID", "DateTime", "JSON", "Int", "MessageType", "Boolean"}
