"""Which pages may call: origins are compared by scheme, host and port, and strictly read."""

from __future__ import annotations

from itertools import product
from typing import Any

import httpx
import pytest
from django.conf import settings as django_settings
from django.contrib.auth.models import User
from django.core.exceptions import ImproperlyConfigured
from django.middleware.csrf import _get_new_csrf_string
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from dasf_broker import app_settings
from dasf_broker.app_settings import DEFAULTS
from dasf_broker.checks.settings import check_settings
from dasf_broker.domain.origins import Origin, OriginList, fault_of
from dasf_broker.transports.http.cors import CrossOrigin
from testproject.asgi import application
from tests.doors.clients import key_of
from tests.doors.conftest import OpenSocket, OpenStream
from tests.doors.sockets import ClosedError, Socket

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("hub_lifetime")]

PAGE = "https://app.example.org"
VIEWER = {"query": "{ viewer { username } }"}

#: Texts that are no origin, or not that of a page on ``http://testserver``.
FOREIGN = [
    "http://",
    "//testserver",
    "ftp://testserver",
    "https://testserver",
    "ws://testserver",
    "testserver",
    "http:testserver",
    "http:/testserver",
    "http:///testserver",
    "http://testserver:",
    "http://testserver:81",
    "http://testserver:٨٠",
    "http://testserver:99999",
    "http://testserver:0x50",
    "http://testserver.",
    "http://testserver/",
    "http://testserver/page",
    "http://testserver?",
    "http://testserver#x",
    "http://testserver@evil.example",
    "http://user@testserver",
    "http://user:password@testserver",
    "http://evil.example",
    "http://evil.example/testserver",
    "http://testserver.evil.example",
    "http://eviltestserver",
    "http://test server",
    " http://testserver",
    "http://testserver ",
    "http://testserver, http://testserver",
    "http://testserver http://evil.example",
    "http://testserver\\evil.example",
    "http://[::1]",
    "http://[testserver",
    "http://*",
    "http://testserver" + "r" * 60_000,
    "null",
    "NULL",
    "",
    "*",
]
OWN = ["http://testserver", "http://testserver:80", "HTTP://TestServer", "http://testserver:080"]


@pytest.fixture
def cookie(stranger: User) -> str:
    """Return the session cookie of a user who logged in."""
    client = Client()
    client.force_login(stranger, "django.contrib.auth.backends.ModelBackend")
    name = django_settings.SESSION_COOKIE_NAME
    return f"{name}={client.cookies[name].value}"


# --- sockets ----------------------------------------------------------------------------------


@pytest.mark.parametrize("origin", FOREIGN, ids=lambda text: repr(text[:40]))
@pytest.mark.parametrize("path", ["/graphql/", "/ws/topic"])
async def test_foreign_page(open_socket: OpenSocket, cookie: str, path: str, origin: str) -> None:
    """It may open no socket."""
    socket: Socket = await open_socket(path=path, headers={"origin": origin, "cookie": cookie})
    with pytest.raises(ClosedError) as closed:
        await socket.receive()
    assert closed.value.code == 4403


@pytest.mark.parametrize("origin", OWN)
async def test_own_page(open_socket: OpenSocket, cookie: str, origin: str) -> None:
    """Default ports and the case of letters make no difference."""
    headers = {"origin": origin, "cookie": cookie}
    assert await _username(await open_socket(headers=headers)) == "stranger"


async def test_own_page_behind_a_proxy(
    open_socket: OpenSocket, cookie: str, settings: Settings
) -> None:
    """``ROOT_URL`` names the scheme and the host that visitors see."""
    settings.ROOT_URL = "https://broker.example.org/below/"
    headers = {"origin": "https://broker.example.org", "cookie": cookie}
    assert await _username(await open_socket(headers=headers)) == "stranger"


#: Entries of a list, with origins that they name and origins that they do not name.
LISTS: dict[str, tuple[list[str], list[str]]] = {
    PAGE: (
        [PAGE, f"{PAGE}:443", "HTTPS://APP.EXAMPLE.ORG"],
        ["http://app.example.org", f"{PAGE}:8443", "https://example.org", f"{PAGE}.evil.example"],
    ),
    "https://*.example.org": (
        [PAGE, "https://a.b.example.org", "https://example.org", f"{PAGE}:443"],
        [
            "http://app.example.org",
            "https://evilexample.org",
            "https://example.org.evil.example",
            "https://app.example.org:8443",
            "https://.",
            "https://*",
            "null",
            "https://",
        ],
    ),
    "http://localhost:3000": (
        ["http://localhost:3000"],
        ["http://localhost", "http://localhost:3001", "https://localhost:3000", "localhost:3000"],
    ),
    "http://[::1]:3000": (["http://[::1]:3000"], ["http://[::1]", "http://[::2]:3000"]),
    "capacitor://localhost": (["capacitor://localhost"], ["http://localhost", "capacitor://evil"]),
}
NAMED = [(entry, origin) for entry, (named, _) in LISTS.items() for origin in named]
NOT_NAMED = [(entry, origin) for entry, (_, others) in LISTS.items() for origin in others]
SETTINGS = ["DASF_ALLOWED_ORIGINS", "CSRF_TRUSTED_ORIGINS"]


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize(("entry", "origin"), NAMED)
async def test_listed_page(
    open_socket: OpenSocket,
    cookie: str,
    settings: Settings,
    setting: str,
    entry: str,
    origin: str,
) -> None:
    """Its visitor is known by the cookie, whichever list names it."""
    setattr(settings, setting, [entry])
    headers = {"origin": origin, "cookie": cookie}
    assert await _username(await open_socket(headers=headers)) == "stranger"


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize(("entry", "origin"), NOT_NAMED)
async def test_page_beside_the_list(
    open_socket: OpenSocket,
    cookie: str,
    settings: Settings,
    setting: str,
    entry: str,
    origin: str,
) -> None:
    """No entry is taken for more than it says."""
    setattr(settings, setting, [entry])
    socket: Socket = await open_socket(headers={"origin": origin, "cookie": cookie})
    with pytest.raises(ClosedError) as closed:
        await socket.receive()
    assert closed.value.code == 4403


@pytest.mark.parametrize("origin", ["https://evil.example", "null"])
async def test_any_page(
    open_socket: OpenSocket, cookie: str, superuser: User, settings: Settings, origin: str
) -> None:
    """``*`` lets all pages in, without the cookie of their visitor."""
    settings.DASF_ALLOWED_ORIGINS = ["*", PAGE]
    headers = {"origin": origin, "cookie": cookie}
    assert await _username(await open_socket(headers=headers)) is None
    key = {"Authorization": f"Bearer {await key_of(superuser)}"}
    assert await _username(await open_socket(headers=headers), key) == "root"
    headers["origin"] = PAGE
    assert await _username(await open_socket(headers=headers)) == "stranger"


# --- what an origin is ------------------------------------------------------------------------

SCHEMES, HOSTS = ["http", "https"], ["a.example", "b.example", "127.0.0.1", "[::1]"]
PORTS = ["", ":80", ":443", ":8000"]


@pytest.mark.parametrize("one", [*product(SCHEMES, HOSTS, PORTS)], ids="".join)
def test_equality(one: tuple[str, str, str]) -> None:
    """Two origins are equal if scheme, host and port are; a missing port is the default one."""
    default = {"http": ":80", "https": ":443"}
    for other in product(SCHEMES, HOSTS, PORTS):
        expected = (one[0], one[1], one[2] or default[one[0]]) == (
            (other[0], other[1], other[2] or default[other[0]])
        )
        left = Origin.parse(f"{one[0]}://{one[1]}{one[2]}")
        right = Origin.parse(f"{other[0]}://{other[1]}{other[2]}".upper())
        assert left is not None
        assert (left == right) is expected


@given(st.text() | st.from_regex(r"https?://[^a-z]*[a-z.:@/\[\]*]*"))
def test_any_text(text: str) -> None:
    """A text is an origin or none; what is one is written like one."""
    origin = Origin.parse(text)
    if origin is not None:
        assert not set(text) & set("@?#\\ ,*")
        assert text.count("/") == 2
        assert OriginList.of([text]).names(origin)
        assert not OriginList.of(["*"]).names(origin)


# --- the setting ------------------------------------------------------------------------------

LIST_SETTINGS = [name for name, each in DEFAULTS.items() if isinstance(each.default, (tuple, list))]


@pytest.mark.parametrize("name", LIST_SETTINGS)
@pytest.mark.parametrize(
    "value", ["https://*.example.org", "*", "", b"*", 1, {"a": 1}, [1], [None]]
)
def test_list_that_is_none(settings: Settings, name: str, value: Any) -> None:
    """A text, which would become its characters, is refused; the error says what to write."""
    settings.DEBUG = True
    setattr(settings, name, value)
    with pytest.raises(ImproperlyConfigured) as refused:
        getattr(app_settings, name)
    if isinstance(value, str):
        assert f"write [{value!r}]" in str(refused.value)
    assert {each.id for each in check_settings()} == {"dasf_broker.E001"}


def test_there_are_lists() -> None:
    """The test above is about something."""
    assert "DASF_ALLOWED_ORIGINS" in LIST_SETTINGS


@pytest.mark.parametrize("kind", [list, tuple, set])
def test_lists(settings: Settings, kind: Any) -> None:
    """Each kind of list is one."""
    settings.DASF_ALLOWED_ORIGINS = kind([PAGE])
    assert app_settings.DASF_ALLOWED_ORIGINS == (PAGE,)


@pytest.mark.parametrize(
    ("entry", "hint"),
    [
        ("https://app.example.org/", '"https://app.example.org"'),
        ("https://app.example.org/page", '"https://app.example.org"'),
        ("app.example.org", '"https://app.example.org"'),
        ("*.example.org", None),
        ("https://*", None),
        ("https://a*.example.org", None),
        ("https://user@app.example.org", None),
        ("null", None),
        ("", None),
        (" https://app.example.org", None),
    ],
)
def test_entry_that_is_none(settings: Settings, entry: str, hint: str | None) -> None:
    """The system check says so, and what to write."""
    settings.DEBUG = True
    settings.DASF_ALLOWED_ORIGINS = [PAGE, entry]
    [error] = check_settings()
    assert error.id == "dasf_broker.E007"
    assert repr(entry) in error.msg
    assert hint is None or hint in error.msg


@pytest.mark.parametrize("entry", [*LISTS, "*"])
def test_entry_that_is_one(settings: Settings, entry: str) -> None:
    """The system check has nothing to say."""
    settings.DEBUG = True
    settings.DASF_ALLOWED_ORIGINS = [entry]
    assert check_settings() == []
    assert fault_of(entry) is None


# --- HTTP -------------------------------------------------------------------------------------

ALLOW_ORIGIN, ALLOW_COOKIES = "access-control-allow-origin", "access-control-allow-credentials"


@pytest.fixture
async def http() -> Any:
    """Return a client of the endpoint beside Django."""
    transport = httpx.ASGITransport(application)
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
        yield client


@pytest.mark.parametrize(("entry", "origin"), NAMED)
async def test_preflight(
    http: httpx.AsyncClient, settings: Settings, entry: str, origin: str
) -> None:
    """The browser may send what a page of a listed origin wants to send."""
    settings.DASF_ALLOWED_ORIGINS = [entry]
    response = await _preflight(http, origin)
    assert response.status_code == 204
    assert response.headers[ALLOW_ORIGIN] == origin
    assert response.headers[ALLOW_COOKIES] == "true"
    assert "POST" in response.headers["access-control-allow-methods"]
    allowed = set(response.headers["access-control-allow-headers"].split(", "))
    assert allowed >= {"authorization", "content-type", "x-csrftoken", "last-event-id"}
    assert "Origin" in response.headers["vary"]


@pytest.mark.parametrize(("entry", "origin"), [*NOT_NAMED, *((PAGE, each) for each in FOREIGN)])
async def test_no_preflight(
    http: httpx.AsyncClient, settings: Settings, entry: str, origin: str
) -> None:
    """Other pages are allowed nothing, before the request and with it."""
    settings.DASF_ALLOWED_ORIGINS = [entry]
    for response in (await _preflight(http, origin), await _post(http, origin)):
        assert not [name for name in response.headers if name.startswith("access-control-allow")]
        assert "Origin" in response.headers["vary"]


async def test_without_the_setting(http: httpx.AsyncClient) -> None:
    """Nothing is said about origins."""
    response = await _post(http, "http://testserver")
    assert not {"vary", ALLOW_ORIGIN} & set(response.headers)


async def test_any_origin(http: httpx.AsyncClient, settings: Settings, cookie: str) -> None:
    """``*`` never comes with cookies, and they do not count."""
    settings.DASF_ALLOWED_ORIGINS = ["*"]
    for response in (await _preflight(http, PAGE), await _post(http, PAGE)):
        assert response.headers[ALLOW_ORIGIN] == "*"
        assert ALLOW_COOKIES not in response.headers
    response = await _post(http, PAGE, **_with_csrf(cookie))
    assert response.status_code == 403
    assert response.headers[ALLOW_ORIGIN] == "*"


async def test_cookie_of_a_listed_page(
    http: httpx.AsyncClient, settings: Settings, cookie: str
) -> None:
    """It counts with the CSRF token, and only with it."""
    settings.DASF_ALLOWED_ORIGINS = [PAGE]
    answers = [
        await _post(http, PAGE, **_with_csrf(cookie)),
        await _post(http, PAGE, cookie=cookie),
        await _post(http, "https://evil.example", **_with_csrf(cookie)),
    ]
    assert [each.status_code for each in answers] == [200, 403, 403]
    assert answers[0].json() == {"data": {"viewer": {"username": "stranger"}}}
    assert [each.headers.get(ALLOW_ORIGIN) for each in answers] == [PAGE, PAGE, None]


#: Requests that are refused, with their statuses.
REFUSED: dict[str, tuple[int, dict[str, str], bytes]] = {
    "wrong token": (401, {"authorization": "Bearer wrong"}, b"{}"),
    "too large": (413, {}, b"x" * 3_000_000),
    "announced too large": (413, {"content-length": "9" * 30}, b"{}"),
    "not JSON": (400, {}, b"["),
    "not our type": (415, {"content-type": "text/plain"}, b"{}"),
    "not our host": (400, {"host": "evil.example"}, b'{"query": "{ __typename }"}'),
}


@pytest.mark.parametrize(("status", "headers", "body"), REFUSED.values(), ids=REFUSED)
async def test_refusals(
    http: httpx.AsyncClient,
    settings: Settings,
    status: int,
    headers: dict[str, str],
    body: bytes,
) -> None:
    """A page is told why its request was refused."""
    settings.DASF_ALLOWED_ORIGINS, settings.ALLOWED_HOSTS = [PAGE], ["testserver"]
    given_ = {"origin": PAGE, "content-type": "application/json", **headers}
    response = await http.post("/graphql/", content=body, headers=given_)
    assert response.status_code == status
    _is_shared(response)


async def test_too_many_requests(http: httpx.AsyncClient, settings: Settings) -> None:
    """A page reads how long to wait."""
    settings.DASF_ALLOWED_ORIGINS = [PAGE]
    settings.DASF_ADDRESS_RATES = {"failed_authentication": "1/h"}
    for _ in range(3):
        response = await _post(http, PAGE, authorization="Bearer wrong")
    assert response.status_code == 429
    assert int(response.headers["Retry-After"]) > 0
    _is_shared(response)


async def test_events(open_stream: OpenStream, settings: Settings) -> None:
    """Server-sent events are for listed pages, too."""
    settings.DASF_ALLOWED_ORIGINS = [PAGE]
    stream = await open_stream("{ viewer { username } }", origin=PAGE)
    assert stream.status == 200
    assert stream.headers[ALLOW_ORIGIN] == PAGE
    assert stream.headers["vary"] == "Origin"


async def test_headers_of_the_host(settings: Settings) -> None:
    """What middleware of the host says about origins is not said twice."""
    settings.DASF_ALLOWED_ORIGINS = [PAGE]
    sent: list[Any] = []

    async def send(event: Any) -> None:
        sent.append(event)

    scope = {"method": "GET", "headers": [(b"origin", PAGE.encode())]}
    theirs = [(b"Access-Control-Allow-Origin", b"*")]
    sharing = CrossOrigin(scope).sharing(send)
    await sharing({"type": "http.response.start", "status": 200, "headers": theirs})
    assert sent[0]["headers"] == theirs


# --- steps ------------------------------------------------------------------------------------


async def _username(socket: Socket, payload: dict[str, str] | None = None) -> Any:
    await socket.initialise(payload)
    await socket.subscribe("{ viewer { username } }")
    return (await socket.data())["username"]


async def _preflight(http: httpx.AsyncClient, origin: str) -> httpx.Response:
    headers = {
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization, content-type",
        "origin": origin,
    }
    return await http.options("/graphql/", headers=_bytes(headers))


async def _post(http: httpx.AsyncClient, origin: str, **headers: str) -> httpx.Response:
    return await http.post("/graphql/", json=VIEWER, headers=_bytes({"origin": origin, **headers}))


def _with_csrf(cookie: str) -> dict[str, str]:
    secret = _get_new_csrf_string()
    return {"cookie": f"{cookie}; csrftoken={secret}", "x-csrftoken": secret}


def _bytes(headers: dict[str, str]) -> dict[bytes, bytes]:
    return {name.encode(): value.encode() for name, value in headers.items()}


def _is_shared(response: httpx.Response) -> None:
    assert response.headers[ALLOW_ORIGIN] == PAGE
    assert response.headers[ALLOW_COOKIES] == "true"
    assert response.headers["access-control-expose-headers"] == "Retry-After"
    assert "Origin" in response.headers["vary"]
