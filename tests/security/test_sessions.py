"""The transports read sessions, and neither end them nor give them new keys."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
from django.conf import settings as django_settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.backends.file import SessionStore as FileStore
from django.contrib.sessions.models import Session
from django.middleware.csrf import _get_new_csrf_string
from django.test import Client
from pytest_django import Settings

from dasf_broker import database
from dasf_broker.models import BrokerTopic
from testproject.asgi import application, django_application
from tests.doors.dasf.frames import message
from tests.doors.sockets import connect

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("hub_lifetime", "django_thread"),
]

VIEWER = "{ viewer { username } }"
BACKEND = "django.contrib.auth.backends.ModelBackend"
ORIGIN = {"origin": "http://testserver"}

#: Returns the user whom a transport finds behind a cookie, or ``None``.
Door = Callable[[str], Awaitable[str | None]]


async def _http(cookie: str, served: Any, **headers: str) -> httpx.Response:
    transport = httpx.ASGITransport(served)
    secret = _get_new_csrf_string()
    headers |= {
        "content-type": "application/json",
        "cookie": f"{django_settings.SESSION_COOKIE_NAME}={cookie}; csrftoken={secret}",
        "x-csrftoken": secret,
    }
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
        response = await client.post("/graphql/", json={"query": VIEWER}, headers=headers)
    assert django_settings.SESSION_COOKIE_NAME not in response.cookies
    return response


async def _beside_django(cookie: str) -> str | None:
    return _username((await _http(cookie, application)).json())


async def _djangos_view(cookie: str) -> str | None:
    return _username((await _http(cookie, django_application)).json())


async def _events(cookie: str) -> str | None:
    text = (await _http(cookie, application, accept="text/event-stream")).text
    return _username(json.loads(text.partition("data: ")[2].partition("\n")[0]))


async def _socket(cookie: str) -> str | None:
    async with connect(application, headers=_headers(cookie)) as socket:
        await socket.initialise()
        await socket.subscribe(VIEWER)
        return _username(await socket.next())


async def _dasf(cookie: str) -> str | None:
    headers = _headers(cookie)
    async with connect(application, path="/ws/mine", subprotocols=(), headers=headers) as socket:
        await socket.send(message())
        return "root" if (await socket.receive())["result"] == "ok" else None


async def _status_page(cookie: str) -> str | None:
    transport = httpx.ASGITransport(application)
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
        response = await client.get("/mine/status/", headers=_headers(cookie))
    assert django_settings.SESSION_COOKIE_NAME not in response.cookies
    return None if response.status_code == 404 else "root"


async def _page(cookie: str) -> str | None:
    transport = httpx.ASGITransport(application)
    headers = _headers(cookie) | {"accept": "text/html"}
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
        response = await client.get("/graphql/", headers=headers)
    assert django_settings.SESSION_COOKIE_NAME not in response.cookies
    return "root" if response.status_code == 200 else None


def _headers(cookie: str) -> dict[str, str]:
    return ORIGIN | {"cookie": f"{django_settings.SESSION_COOKIE_NAME}={cookie}"}


def _username(body: Any) -> str | None:
    name: str | None = body["data"]["viewer"]["username"]
    return name


DOORS = [_beside_django, _djangos_view, _events, _socket, _dasf, _status_page, _page]


@pytest.fixture(params=DOORS, ids=lambda door: door.__name__.strip("_"))
def door(request: pytest.FixtureRequest, settings: Settings) -> Door:
    """Return each of the transports in turn."""
    settings.DASF_GRAPHIQL = "staff"
    return cast("Door", request.param)


@pytest.fixture
def cookie(superuser: User) -> str:
    """Return the key of a superuser's session; there is a topic that only they may see."""
    BrokerTopic.objects.create(slug="mine", supports_dasf=True)
    return _log_in(superuser)


def _log_in(user: User) -> str:
    client = Client()
    client.force_login(user, BACKEND)
    return str(client.cookies[django_settings.SESSION_COOKIE_NAME].value)


async def test_session_of_an_old_secret(door: Door, cookie: str, settings: Settings) -> None:
    """It is good for any number of requests, and stays as it is."""
    settings.SECRET_KEY_FALLBACKS = ["another", settings.SECRET_KEY]
    settings.SECRET_KEY = "the new one"
    before = await database.read(_rows)
    for _ in range(3):
        assert await door(cookie) == "root"
        assert await database.read(_rows) == before


async def test_session_of_a_changed_password(door: Door, cookie: str, superuser: User) -> None:
    """It is nobody's, and is left for Django to remove."""

    def change() -> None:
        superuser.set_password("another")
        superuser.save()

    await database.write(change)
    await _is_nobody(door, cookie)


#: How a session may be that Django did not write like that.
WRONG: dict[str, dict[str, Any]] = {
    "no hash": {HASH_SESSION_KEY: None},
    "empty hash": {HASH_SESSION_KEY: ""},
    "another hash": {HASH_SESSION_KEY: "x" * 64},
    "a hash beyond ASCII": {HASH_SESSION_KEY: "\u0663" * 64},
    "no backend": {BACKEND_SESSION_KEY: None},
    "an unknown backend": {BACKEND_SESSION_KEY: "os.path"},
    "no user": {SESSION_KEY: None},
    "a user who does not exist": {SESSION_KEY: "4711"},
    "a user who cannot exist": {SESSION_KEY: "x"},
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
async def test_session_that_is_not_good(door: Door, cookie: str, wrong: dict[str, Any]) -> None:
    """It is nobody's, and stays as it is."""

    def spoil() -> None:
        session = SessionStore(cookie)
        for name, value in wrong.items():
            session.pop(name) if value is None else session.update({name: value})
        session.save()

    await database.write(spoil)
    await _is_nobody(door, cookie)


async def test_session_of_a_deactivated_user(door: Door, cookie: str) -> None:
    """It is nobody's."""
    await database.write(User.objects.update, is_active=False)
    await _is_nobody(door, cookie)


#: Those that do not use Django's middleware, which fails by itself with a broken engine.
OWN_DOORS = [_beside_django, _events, _socket, _dasf]

ENGINES = [
    f"django.contrib.sessions.backends.{name}"
    for name in ("db", "cached_db", "cache", "file", "signed_cookies")
]

#: Engines that cannot be used, with the settings that break them.
BROKEN: dict[str, dict[str, str]] = {
    "no module": {"SESSION_ENGINE": "nowhere.sessions"},
    "no engine": {"SESSION_ENGINE": "os"},
    "no cache": {"SESSION_ENGINE": ENGINES[2], "SESSION_CACHE_ALIAS": "nowhere"},
}

#: What a browser, or anybody else, may send as a cookie.
ODD_COOKIES = {
    "unknown": "0" * 32,
    "short": "x",
    "a path": "../../etc/passwd",
    "a signature": "e30:1abcde:QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo",
    "a wrong signature of JSON": "eyJhIjoxfQ:!!:??",
    "long": "y" * 3000,
    "NUL": '"a\\000b"',
    "octal": '"\\303\\251"',
}


@pytest.fixture(params=OWN_DOORS, ids=lambda door: door.__name__.strip("_"))
def own_door(request: pytest.FixtureRequest) -> Door:
    """Return each of the transports beside Django's middleware in turn."""
    return cast("Door", request.param)


@pytest.mark.parametrize("engine", ENGINES)
async def test_session_engines(
    own_door: Door,
    engine: str,
    superuser: User,
    settings: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A login counts, whatever keeps it; odd cookies are nobody's."""
    settings.SESSION_ENGINE = engine
    monkeypatch.setattr(FileStore, "_storage_path", str(tmp_path), raising=False)
    cookie = await database.write(_log_in, superuser)
    await database.write(BrokerTopic.objects.create, slug="mine")
    assert await own_door(cookie) == "root"
    for name, odd in ODD_COOKIES.items():
        assert await own_door(odd) is None, name


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
async def test_broken_session_engine(
    own_door: Door,
    broken: dict[str, str],
    cookie: str,
    settings: Settings,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Cookies are nobody's, and the reason is logged once."""
    for name, value in broken.items():
        setattr(settings, name, value)
    for each in (cookie, *ODD_COOKIES.values()):
        assert await own_door(each) is None
    settings.SESSION_ENGINE, settings.SESSION_CACHE_ALIAS = ENGINES[0], "default"
    assert await own_door(cookie) == "root"
    texts = [each.message for each in caplog.records if each.name == "dasf_broker.auth.sessions"]
    assert [text.split(",")[0] for text in texts] == [
        "The session engine failed; it is tried again.",
        "The session engine works again",
    ]


async def _is_nobody(door: Door, cookie: str) -> None:
    before = await database.read(_rows)
    for _ in range(2):
        assert await door(cookie) is None
        assert await database.read(_rows) == before


def _rows() -> list[Any]:
    return list(Session.objects.values())
