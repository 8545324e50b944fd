"""Wrong credentials: counted for each address, at all doors together."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.test import AsyncClient, Client
from pytest_django import Settings

from dasf_broker import auth
from dasf_broker.auth import failures, identity
from dasf_broker.exceptions import RateLimitedError, UnauthenticatedError
from dasf_broker.models import BrokerTopic
from dasf_broker.operations import rate_limits
from tests.doors.clients import GraphQLClient, key_of
from tests.doors.conftest import OpenSocket
from tests.doors.sockets import ClosedError

pytestmark = pytest.mark.django_db(transaction=True)

VIEWER = "{ viewer { username } }"

#: Where the clients of the doors' tests call from.
HERE = "127.0.0.1"


@pytest.fixture(autouse=True)
def _twice_a_minute(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Allow two failures, in a window that does not end."""
    settings.DASF_ADDRESS_RATES = {"failed_authentication": "2/m"}
    monkeypatch.setattr(rate_limits, "_now", lambda: 1_800_000_030.0)
    monkeypatch.setattr(rate_limits, "_health", rate_limits._Health())


async def test_http(client: GraphQLClient, topic: BrokerTopic, django_thread: None) -> None:
    """The request as a whole is refused, with the status and the header that are made for it."""
    for path in ("/graphql/", "/graphql/", "/topic/status/"):
        response = await _get_or_post(path, "dasf_wrong_key")
    assert (response.status_code, response["Retry-After"]) == (429, "30")
    answer = await client.execute(VIEWER, as_="dasf_other_key")
    if client.__class__.__name__ != "WebSocketClient":
        assert answer["status"] == 429
        assert answer["errors"][0]["extensions"] == {"code": "RATE_LIMITED", "retryAfter": 30}


@pytest.mark.parametrize("path", ["/graphql/", "/ws/topic"])
async def test_sockets(open_socket: OpenSocket, topic: BrokerTopic, path: str) -> None:
    """They are closed before the database is asked, and whichever door was tried before."""
    for _ in range(3):
        await _get_or_post("/graphql/", "dasf_wrong_key")
    headers = {"authorization": "Bearer dasf_wrong_key"}
    socket = await open_socket(path=path, headers=headers, address=HERE)
    if path == "/graphql/":
        await socket.send({"type": "connection_init"})
    with pytest.raises(ClosedError) as closed:
        await socket.receive()
    assert closed.value.code == 1013


async def test_failures_on_sockets_count(open_socket: OpenSocket, topic: BrokerTopic) -> None:
    """Those of both kinds."""
    for path in ("/graphql/", "/ws/topic", "/graphql/"):
        headers = {"authorization": "Bearer dasf_wrong_key"}
        socket = await open_socket(path=path, headers=headers, address=HERE)
        await socket.send({"type": "connection_init"})
        code = 0
        try:
            await socket.receive()
        except ClosedError as closed:
            code = closed.code
    assert code == 1013
    assert (await _get_or_post("/graphql/", "dasf_wrong_key")).status_code == 429


async def test_who_was_right_before_is_let_in(
    clients: list[GraphQLClient], stranger: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Behind one address are many people; and tokens that were right are still looked up."""
    client, key = clients[0], await key_of(stranger)
    assert await client.value(VIEWER, as_=key) == {"username": "stranger"}
    for _ in range(3):
        await client.execute(VIEWER, as_="dasf_wrong_key")
    assert await client.value(VIEWER, as_=key) == {"username": "stranger"}
    assert (await client.execute(VIEWER, as_=await key_of(stranger)))["status"] == 429
    assert await client.value(VIEWER) == {"username": None}


async def test_the_database_is_spared(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key of an address that is refused is not looked up."""
    for _ in range(2):
        with pytest.raises(UnauthenticatedError):
            await auth.identify_token("Bearer wrong", address=HERE)
    with pytest.raises(RateLimitedError):
        await auth.identify_token("Bearer wrong", address=HERE)
    monkeypatch.setattr(identity, "runtime", None)
    with pytest.raises(RateLimitedError) as refused:
        await auth.identify_token("Bearer wrong", address=HERE)
    assert 1 <= refused.value.retry_after <= 30


async def test_other_addresses_are_not_refused(settings: Settings) -> None:
    """Nor is anybody for ever."""
    for _ in range(3):
        with pytest.raises((UnauthenticatedError, RateLimitedError)):
            await auth.identify_token("Bearer wrong", address=HERE)
    with pytest.raises(UnauthenticatedError):
        await auth.identify_token("Bearer wrong", address="192.0.2.1")
    failures._refused[HERE] = 0.0
    cache.clear()
    with pytest.raises(UnauthenticatedError):
        await auth.identify_token("Bearer wrong", address=HERE)


async def test_other_processes_know_at_their_first_failure() -> None:
    """The count is shared, what a process remembers is not."""
    for _ in range(3):
        with pytest.raises((UnauthenticatedError, RateLimitedError)):
            await auth.identify_token("Bearer wrong", address=HERE)
    failures.forget()  # as another process, which saw nothing of that
    with pytest.raises(RateLimitedError):
        await auth.identify_token("Bearer wrong", address=HERE)


@pytest.mark.parametrize("name", ["_refused", "_valid"])
async def test_memory_is_bounded(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has many addresses fills nothing."""
    monkeypatch.setattr(failures, "MAX_ENTRIES", 3)
    for number in range(10):
        failures.note_valid(str(number))
        for _ in range(3):
            await failures.note_invalid(f"192.0.2.{number}")
    assert 0 < len(getattr(failures, name)) <= 3


def test_off(topic: BrokerTopic, settings: Settings) -> None:
    """A host may have something else for it."""
    settings.DASF_ADDRESS_RATES = {"failed_authentication": None}
    for _ in range(5):
        headers = {"authorization": "Bearer wrong"}
        assert Client().get("/topic/status/", headers=headers).status_code == 401


async def _get_or_post(path: str, key: str) -> Any:
    headers = {"authorization": f"Bearer {key}"}
    if path != "/graphql/":
        return await AsyncClient().get(path, headers=headers)
    body = json.dumps({"query": VIEWER})
    return await AsyncClient().post(path, body, content_type="application/json", headers=headers)
