"""The request that opens a websocket is read under the settings for hosts and proxies."""

from __future__ import annotations

from typing import Any

import pytest
from pytest_django import Settings

from dasf_broker.transports.connection import origins
from dasf_broker.transports.connection.handshake import Handshake

#: What a proxy says that speaks TLS for a server which is called otherwise inside.
BEHIND = {"host": "inside:8000", "x-forwarded-host": "broker.example", "x-forwarded-proto": "https"}
BELIEVED = {
    "USE_X_FORWARDED_HOST": True,
    "SECURE_PROXY_SSL_HEADER": ("HTTP_X_FORWARDED_PROTO", "https"),
}


def shake(
    *lines: tuple[str, str],
    scheme: str = "ws",
    peer: str | None = "192.0.2.1",
    query: bytes = b"",
    **named: str,
) -> Handshake:
    """Return a handshake with these headers."""
    headers = [(name.encode(), value.encode()) for name, value in (*lines, *named.items())]
    scope = {"path": "/graphql/", "query_string": query, "client": (peer, 4711) if peer else None}
    return Handshake({**scope, "scheme": scheme, "headers": headers})


@pytest.mark.parametrize(
    ("values", "headers", "scheme", "expected"),
    [
        ({}, {"host": "testserver"}, "ws", "http://testserver"),
        ({}, {"host": "testserver"}, "wss", "https://testserver"),
        ({}, BEHIND, "ws", "http://inside:8000"),
        (BELIEVED, BEHIND, "ws", "https://broker.example"),
        (BELIEVED, BEHIND | {"x-forwarded-proto": "wss"}, "wss", "https://broker.example"),
        (BELIEVED, BEHIND | {"x-forwarded-proto": "ws"}, "ws", "http://broker.example"),
        # Not in ALLOWED_HOSTS, or none at all: nobody else is told.
        ({}, {"host": "elsewhere"}, "ws", "http://elsewhere"),
        ({}, {}, "ws", "http://localhost"),
    ],
)
def test_root_url(
    values: dict[str, Any], headers: dict[str, str], scheme: str, expected: str, settings: Settings
) -> None:
    """It is what the client used, as far as the proxy is to be believed."""
    settings.ALLOWED_HOSTS = ["testserver", "inside", "broker.example"]
    for name, value in values.items():
        setattr(settings, name, value)
    assert shake(*headers.items(), scheme=scheme).root_url == expected


@pytest.mark.parametrize(
    "believed", [(), *((name,) for name in BELIEVED), tuple(BELIEVED)], ids=str
)
def test_own_page_behind_a_proxy(believed: tuple[str, ...], settings: Settings) -> None:
    """A page has the scheme and host that the proxy was asked for, if it is to be believed."""
    settings.ALLOWED_HOSTS = ["broker.example", "inside"]
    for name in believed:
        setattr(settings, name, BELIEVED[name])
    handshake = shake(*BEHIND.items(), origin="https://broker.example")
    assert origins.is_allowed(handshake) is (len(believed) == len(BELIEVED))


@pytest.mark.parametrize("origin", ["http://[", "http://elsewhere", "null", ""])
def test_foreign_pages(origin: str, settings: Settings) -> None:
    """Nonsense is no page of ours; nor is a name that somebody points here."""
    settings.ALLOWED_HOSTS = ["testserver"]
    assert not origins.is_allowed(shake(host="testserver", origin=origin))
    assert not origins.is_allowed(shake(host="elsewhere", origin=origin))


@pytest.mark.parametrize("kind", ["text/plain; charset*=nope'en'%41", "a; charset=\0", "\xff"])
def test_what_nobody_reads_is_no_trouble(kind: str) -> None:
    """Django would refuse such a request; a socket has no body."""
    handshake = shake(("host", "testserver"), ("Content-Type", kind), query=b"\xff")
    assert handshake.root_url == "http://testserver"


def test_address_behind_several_proxies(settings: Settings) -> None:
    """Each may have added a line of its own."""
    settings.DASF_NUM_PROXIES = 1
    lines = [("x-forwarded-for", "203.0.113.9"), ("X-Forwarded-For", "198.51.100.1")]
    assert shake(*lines).address == "198.51.100.1"
    settings.DASF_NUM_PROXIES = 0
    assert shake(*lines).address == "192.0.2.1"
    assert shake(*lines, peer=None).address is None
