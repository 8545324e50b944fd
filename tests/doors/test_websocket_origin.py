"""Who may open a socket, and whom a session cookie vouches for."""

from __future__ import annotations

from typing import Any

import pytest
from django.conf import settings as django_settings
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import Settings

from tests.doors.clients import key_of
from tests.doors.conftest import OpenSocket
from tests.doors.sockets import ClosedError, Socket

pytestmark = pytest.mark.django_db(transaction=True)

OWN = "http://testserver"
FOREIGN = "http://evil.example"


@pytest.fixture
def cookie(stranger: User) -> str:
    """Return the session cookie of somebody who logged in."""
    client = Client()
    client.force_login(stranger, "django.contrib.auth.backends.ModelBackend")
    name = django_settings.SESSION_COOKIE_NAME
    return f"other=1; {name}={client.cookies[name].value}"


async def test_program_without_origin(open_socket: OpenSocket) -> None:
    """Programs send no origin, and are welcome."""
    assert await _username(await open_socket()) is None


async def test_own_page(open_socket: OpenSocket) -> None:
    """Our own pages are welcome."""
    assert await _username(await open_socket(headers={"origin": OWN})) is None


@pytest.mark.parametrize(
    "origin", [FOREIGN, "null", "", "http://testserver.evil.example", "http://testserver:81", "x"]
)
async def test_foreign_page(open_socket: OpenSocket, cookie: str, origin: str) -> None:
    """Pages of other sites are not, with a cookie or without."""
    socket = await open_socket(headers={"origin": origin, "cookie": cookie})
    with pytest.raises(ClosedError) as closed:
        await socket.receive()
    assert closed.value.code == 4403


async def test_allowed_page(open_socket: OpenSocket, cookie: str, settings: Settings) -> None:
    """Unless they are listed."""
    settings.DASF_ALLOWED_ORIGINS = [FOREIGN]
    socket = await open_socket(headers={"origin": FOREIGN, "cookie": cookie})
    assert await _username(socket) == "stranger"


async def test_host_that_is_not_ours(open_socket: OpenSocket, settings: Settings) -> None:
    """A name that somebody points at this server makes no page our own."""
    settings.ALLOWED_HOSTS = ["testserver"]
    socket = await open_socket(headers={"origin": FOREIGN, "host": "evil.example"})
    with pytest.raises(ClosedError) as closed:
        await socket.receive()
    assert closed.value.code == 4403


async def test_session_with_own_origin(open_socket: OpenSocket, cookie: str) -> None:
    """A session counts on our own pages."""
    socket = await open_socket(headers={"origin": OWN, "cookie": cookie})
    assert await _username(socket) == "stranger"


async def test_session_without_origin_is_ignored(open_socket: OpenSocket, cookie: str) -> None:
    """Only browsers have cookies, and they say where they come from."""
    assert await _username(await open_socket(headers={"cookie": cookie})) is None


@pytest.mark.parametrize("cookie", ["sessionid=wrong", "sessionid=", "nonsense", "sessionid=\x00"])
async def test_session_that_is_none(open_socket: OpenSocket, cookie: str) -> None:
    """An old cookie is nobody's."""
    socket = await open_socket(headers={"origin": OWN, "cookie": cookie})
    assert await _username(socket) is None


async def test_token_goes_before_the_session(
    open_socket: OpenSocket, cookie: str, superuser: User
) -> None:
    """A key says more than a cookie, in the payload or in the header."""
    key = f"Bearer {await key_of(superuser)}"
    headers = {"origin": OWN, "cookie": cookie}
    for socket, payload in (
        (await open_socket(headers=headers), {"authorization": key}),
        (await open_socket(headers={**headers, "authorization": key}), None),
    ):
        assert await _username(socket, payload) == "root"


async def _username(socket: Socket, payload: dict[str, str] | None = None) -> Any:
    await socket.initialise(payload)
    await socket.subscribe("{ viewer { username } }")
    return (await socket.data())["username"]
