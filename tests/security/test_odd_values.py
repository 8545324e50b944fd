"""Values that are allowed to be odd: they are refused, or mean what they say, and never more."""

from __future__ import annotations

import base64
import encodings
import json
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any
from uuid import uuid4

import httpx
import pytest
from django.contrib.auth.models import User
from django.test import RequestFactory
from hypothesis import given
from hypothesis import strategies as st

from dasf_broker import database
from dasf_broker.domain import client_address as addresses
from dasf_broker.domain.client_address import client_address
from dasf_broker.domain.texts import parse_uuid
from dasf_broker.domain.times import EARLIEST, LATEST, to_filter_by
from dasf_broker.exceptions import BadInputError
from dasf_broker.models import BrokerTopic
from dasf_broker.operations.caller import Caller
from dasf_broker.schema.types.nodes import primary_key
from dasf_broker.transports.connection.headers import read_cookies, read_parameters
from dasf_broker.transports.http import accept
from testproject.asgi import application
from tests.doors.clients import DoorClient, WebSocketClient, is_refusal, key_of
from tests.doors.sockets import connect
from tests.operations.helpers import send

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("hub_lifetime")]

# --- times ------------------------------------------------------------------------------------

OFFSETS = ["", "Z", "+00:00", "+14:00", "-12:00", "+23:59", "-23:59", "+24:00", "+99:99"]
MOMENTS = [
    "0000-12-31T23:59:59",
    "0001-01-01T00:00:00",
    "0001-01-01T13:59:59.999999",
    "0001-01-02T00:00:00",
    "1582-10-10T00:00:00",
    "1970-01-01T00:00:00",
    "2016-12-31T23:59:60",
    "2024-02-30T00:00:00",
    "2024-06-30T24:00:00",
    "2024-06-30T25:00:00",
    "9999-12-30T23:59:59",
    "9999-12-31T10:00:00",
    "9999-12-31T23:59:59.999999",
    "9999-12-31T24:00:00",
    "10000-01-01T00:00:00",
    "-0001-01-01T00:00:00",
    "\u0662\u0660\u0662\u0664-01-01T00:00:00",
]
TIMES = [f"{moment}{offset}" for moment, offset in product(MOMENTS, OFFSETS)]
FILTERED = """query ($since: DateTime, $before: DateTime) { messages(topic: "topic",
  filter: {publishedSince: $since, publishedBefore: $before}) { edges { cursor } } }"""


@pytest.mark.parametrize("name", ["since", "before"])
async def test_times_at_the_edge(topic: BrokerTopic, consumer: User, name: str) -> None:
    """Each is not a time of the calendar, or finds what lies on its side."""
    await database.write(send, Caller.system())
    key, now = await key_of(consumer), datetime.now(UTC)
    for time in TIMES:
        answer = await DoorClient().send({"query": FILTERED, "variables": {name: time}}, key)
        if answer["errors"]:
            [error] = answer["errors"]
            assert is_refusal(error, "BAD_INPUT"), (time, error)
            assert not _is_plain(time), time
        else:
            assert answer["data"] is not None
            is_past = datetime.fromisoformat(time[:10]) < now.replace(tzinfo=None)
            assert len(answer["data"]["messages"]["edges"]) == (is_past is (name == "since")), time


async def test_literals(topic: BrokerTopic, consumer: User) -> None:
    """A time in the text of a document is read like one in a variable."""
    for time in TIMES:
        document = FILTERED.replace("($since: DateTime, $before: DateTime)", "")
        document = document.replace("$since", json.dumps(time)).replace("$before", "null")
        for error in (await DoorClient().execute(document, as_=consumer))["errors"]:
            assert is_refusal(error, "BAD_INPUT"), (time, error)


@given(st.datetimes(timezones=st.timezones() | st.none()))
def test_any_time_can_be_compared(moment: datetime) -> None:
    """Whatever the zone of the database is."""
    found = to_filter_by(moment)
    for hours in (-23, 0, 23):
        assert found + timedelta(hours=hours)
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    assert found in (aware, EARLIEST, LATEST)


def _is_plain(time: str) -> bool:
    """Tell whether a time must be accepted."""
    years = {"0001-01-02", "1582-10-10", "1970-01-01", "9999-12-30"}
    return time[:10] in years and time.endswith(("Z", "+00:00"))


# --- digits -----------------------------------------------------------------------------------

#: The digits of scripts, each with a one.
SCRIPTS = [chr(start) for start in (0x661, 0x6F1, 0x967, 0x9E7, 0xFF11, 0x1D7CF)]
#: What else Python takes for a number.
FORMS = ["1_0", "+1", " 1", "1 ", "1\n", "1.0", "1e1", "0x1", "-1", "", "\u00b9", "\u2460"]


@pytest.mark.parametrize("text", [*SCRIPTS, *FORMS])
def test_primary_key(text: str) -> None:
    """An id has ASCII digits, as the broker writes them."""
    with pytest.raises(BadInputError):
        primary_key(text)


@pytest.mark.parametrize("digit", SCRIPTS)
async def test_ids_and_cursors(topic: BrokerTopic, consumer: User, digit: str) -> None:
    """Neither a node nor a position has another name."""
    place = str(topic.pk).translate({ord(str(number)): ord(digit) for number in range(10)})
    cursors = [f'["pk", {place}]', f'["pk", "{place}"]', f"[{place}, {place}]"]
    documents = [
        ("query ($x: ID!) { node(id: $x) { id } }", _global_id("BrokerTopic", place)),
        ("query ($x: String!) { topics(after: $x, order: OLDEST) { edges { cursor } } }", None),
        ('query ($x: String!) { messages(topic: "topic", after: $x) { edges { cursor } } }', None),
        ('query ($x: UUID!) { message(topic: "topic", messageId: $x) { id } }', digit * 32),
    ]
    for document, value in documents:
        for each in [value] if value else map(_base64, cursors):
            error = await WebSocketClient().refusal(document, {"x": each}, as_=consumer)
            assert error["extensions"]["code"] == "BAD_INPUT", (document, error)


@given(st.uuids())
def test_uuids(value: Any) -> None:
    """The forms of UUIDs are read; no other digits, blanks, signs or underscores."""
    text = str(value)
    forms = [text, text.upper(), value.hex, f"{{{text}}}", value.urn, f"urn:uuid:{{{text}}}"]
    assert {parse_uuid(each) for each in forms} == {value}
    for wrong in (*SCRIPTS, "_", " ", "+", "x", "\n"):
        with pytest.raises(ValueError, match="badly formed"):
            parse_uuid(text[:5] + wrong + text[6:])


@pytest.mark.parametrize("length", [*SCRIPTS, *FORMS[:-3], "1" * 5000])
async def test_content_length(length: str) -> None:
    """It is a number in ASCII, or the request is refused."""
    body = {"content-length": length.encode()}
    response = await _post(b'{"query": "{ __typename }"}', body)
    assert response.status_code in (400, 413)


# --- headers that are lists -------------------------------------------------------------------

MANY = 5_800
QUERY = b'{"query": "{ __typename }"}'


@pytest.mark.parametrize("entry", ["a/b;q=0.%d", "text/html;a=%d", "%d", ";", "*/*;q=x%d"])
async def test_accept(entry: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of thousands of entries some are read, and the first ones count."""
    read: list[str] = []

    def note(text: str) -> Any:
        read.append(text)
        return read_parameters(text)

    monkeypatch.setattr(accept, "read_parameters", note)
    accept._types.cache_clear()
    many = ", ".join(entry % number if "%" in entry else entry for number in range(MANY))
    kind = "application/graphql-response+json"
    response = await _post(QUERY, {"accept": f"{kind}, {many}".encode()})
    assert response.status_code == 200
    assert response.headers["content-type"].startswith(kind)
    assert 0 < len("".join(read)) <= accept.MAX_LENGTH


#: Entries of `Accept`; Django raises errors for the last ones.
ENTRIES = [
    *("text/html", "text/*", "*/*", "application/json", "text/event-stream", "text/html;level=1"),
    *(
        "text/html;q=0",
        "text/html ; q=0.3",
        "*/*;q=0.8",
        "text/*;q=2",
        "text/html;q=x",
        "TEXT/HTML",
    ),
]
BAD_ENTRIES = ["text/html;a*=x'y'%41", "a*=", ";;;=;", '"', "text/html;charset*=utf-8''%ff"]


@given(st.lists(st.sampled_from(ENTRIES), min_size=1))
def test_accept_is_read_as_django_does(entries: list[str]) -> None:
    """As far as Django reads it."""
    request = RequestFactory().get("/", headers={"accept": ", ".join(entries)})
    assert accept.accepts_html(request) is request.accepts("text/html")
    expected = {str(each).partition(";")[0]: each.quality for each in request.accepted_types}
    assert accept._qualities(", ".join(entries)) == expected


@pytest.mark.parametrize("name", ["accept", "content-type"])
@pytest.mark.parametrize("value", BAD_ENTRIES)
async def test_parameters_that_django_refuses(name: str, value: str) -> None:
    """They are answered like others."""
    response = await _post(QUERY, {name: value.encode()})
    assert response.status_code == (200 if name == "accept" else 415)


#: Cookies of 12 KB, which take Python up to seconds.
COOKIES = [
    'sessionid="' + '\\"' * 6_000 + '"',
    'csrftoken="' + "\\101" * 3_000 + '"',
    'sessionid="a"; ' * 800,
    ";" * 12_000,
    '"' * 12_000,
    "=" * 12_000,
]


@pytest.mark.parametrize("cookie", COOKIES, ids=lambda text: text[:14])
async def test_cookies(cookie: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are not read by Python's reader of quoted cookies, and are nobody's."""

    def never(*_: Any) -> Any:
        raise AssertionError

    monkeypatch.setattr("http.cookies._unquote", never)
    for kind in (b"application/json", b"text/event-stream"):
        response = await _post(QUERY, {"cookie": cookie.encode(), "accept": kind})
        assert response.status_code == 200
        assert "Query" in response.text
    headers = {"cookie": cookie, "origin": "http://testserver"}
    async with connect(application, headers=headers) as socket:
        await socket.initialise()
        await socket.subscribe("{ viewer { isAuthenticated } }")
        assert await socket.data() == {"isAuthenticated": False}


def test_which_cookies_count() -> None:
    """Those with the names, as Django writes them, and of several with one name the last."""
    header = ' a=1; b="2" ;c=3;a= 4 ;d; a.b=5; e=' + "x" * 5000
    assert read_cookies(header, ("a", "b", "d", "e")) == {"a": "4", "b": "2"}
    assert read_cookies("", ("a",)) == read_cookies("a", ("a",)) == {}
    assert read_cookies("a=", ("a",)) == {"a": ""}


async def test_charsets_are_not_remembered() -> None:
    """Python keeps each unknown name of a charset that it is asked for."""
    before = len(encodings._cache)
    for _ in range(20):
        kind = f"application/json; charset={uuid4().hex}{'x' * 1000}"
        assert (await _post(QUERY, {"content-type": kind.encode()})).status_code == 415
    assert len(encodings._cache) == before


def test_forwarded_addresses() -> None:
    """Only the entries of the proxies are read, and none is kept that is no address."""
    many = ", ".join(["203.0.113.9"] * MANY)
    assert client_address("192.0.2.1", f"{many}, 198.51.100.1, 192.0.2.7", 2) == "198.51.100.1"
    before = addresses._counted_address.cache_info().currsize
    for number in range(20):
        assert client_address("192.0.2.1", f"{number}{'1' * 60_000}", 1) == "192.0.2.1"
    assert addresses._counted_address.cache_info().currsize <= before + 1


@pytest.mark.parametrize("digit", SCRIPTS)
def test_addresses_of_other_scripts(digit: str) -> None:
    """They are none."""
    assert client_address(f"192.0.2.{digit}", None, 0) is None


# --- steps ------------------------------------------------------------------------------------


async def _post(body: bytes, headers: dict[str, bytes]) -> httpx.Response:
    named = {b"content-type": b"application/json"}
    named |= {name.encode(): value for name, value in headers.items()}
    transport = httpx.ASGITransport(application)
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
        return await client.post("/graphql/", content=body, headers=named)


def _base64(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _global_id(kind: str, key: str) -> str:
    return base64.b64encode(f"{kind}:{key}".encode()).decode()
