"""Secrets: a canary goes through all doors, and is found nowhere afterwards."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError
from django.test import AsyncClient
from rest_framework.authtoken.models import Token

from dasf_broker import auth
from dasf_broker.auth import Credential, CredentialKind, Identity, create_token
from dasf_broker.auth import tokens as token_module
from dasf_broker.models import ApiToken, BrokerTopic
from dasf_broker.operations.caller import Caller
from tests.doors.clients import GraphQLClient, key_of
from tests.doors.conftest import OpenSocket
from tests.doors.dasf.frames import ask, message
from tests.doors.sockets import ClosedError
from tests.tokens import token_owner

pytestmark = pytest.mark.django_db(transaction=True)

CANARY = "canaryCANARYcanary"
PING = 'mutation { pingTopic(topic: "topic") { pingedAt } }'

#: A key that lets somebody in, and such that do not; each has the canary in what is secret of it.
KEYS = {
    "right": f"dasf_0badcafe_{CANARY}",
    "wrong": f"dasf_00000000_{CANARY}",
    "foreign": f"{CANARY}-of-somewhere-else",
    "malformed": f"{CANARY} \x7f \udcff",
}


@pytest.fixture(params=KEYS)
def key(request: pytest.FixtureRequest, producer: User) -> str:
    """Return a key with the canary in it."""
    made: str = KEYS[request.param]
    digest = token_module._digest(made) if request.param == "right" else "x"
    ApiToken.objects.create(user=producer, prefix="0badcafe", digest=digest)
    return made.encode("latin-1", errors="ignore").decode("latin-1")


@pytest.fixture(autouse=True)
async def _heard(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> AsyncIterator[None]:
    """See that nothing that was logged or printed has the canary in it."""
    asyncio.get_running_loop().set_debug(True)
    with caplog.at_level(logging.DEBUG):
        yield
        logging.getLogger("dasf_broker").debug("This is heard.")
        gc.collect()  # what complains when it is thrown away does it now
        records = [*caplog.get_records("call"), *caplog.get_records("teardown")]
    lines = [*map(logging.Formatter().format, records), *capfd.readouterr()]
    assert any("This is heard." in line for line in lines)
    assert not [line for line in lines if CANARY in line]


async def test_graphql(client: GraphQLClient, topic: BrokerTopic, key: str) -> None:
    """Neither what succeeds nor what fails tells of it."""
    for query in (PING, "{ nothing }", "{"):
        assert CANARY not in repr(await client.execute(query, as_=key))


@pytest.mark.parametrize("where", ["header", "payload"])
async def test_sockets(open_socket: OpenSocket, topic: BrokerTopic, key: str, where: str) -> None:
    """On sockets as well, of either kind."""
    headers = {"authorization": f"Bearer {key}"} if where == "header" else {}
    payload = {"Authorization": f"Bearer {key}"} if where == "payload" else {}
    socket = await open_socket(headers=headers)
    await socket.send({"type": "connection_init", "payload": payload})
    heard = []
    try:
        heard.append(await socket.receive())
        await socket.subscribe(PING)
        heard.append(await socket.receive())
        await socket.send_text("nonsense")
        heard.append(await socket.receive())
    except ClosedError as closed:
        heard.append({"code": closed.code, "reason": closed.reason})
    dasf = await open_socket(path="/ws/topic", subprotocols=(), headers=headers)
    heard.append(await ask(dasf, message()))
    assert CANARY not in repr(heard)


async def test_pages(topic: BrokerTopic, key: str, django_thread: None) -> None:
    """Nor on the pages for monitoring."""
    for path in ("/topic/status/", "/topic/ping/"):
        response = await AsyncClient().get(path, headers={"authorization": f"Bearer {key}"})
        assert CANARY not in repr((response.content, dict(response.items())))


async def test_failures_of_the_database(
    clients: list[GraphQLClient],
    topic: BrokerTopic,
    key: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What is logged with a traceback has no values in it."""

    def fail(*_: Any, **__: Any) -> Any:
        raise OperationalError("gone away")

    monkeypatch.setattr(token_module, "_owners_of_ours", fail)
    monkeypatch.setattr(token_module, "_owners_of_drf_tokens", fail)
    for client in clients:
        try:
            answer = repr(await client.execute(PING, as_=key))
        except ClosedError as closed:
            answer = repr(closed)
        assert CANARY not in answer


async def test_tokens_in_urls_do_not_count(
    producer: User, topic: BrokerTopic, django_thread: None
) -> None:
    """URLs are written to logs everywhere, so no door takes a key from there."""
    own = await key_of(producer)
    query = f"?token={own}&authorization=Bearer%20{own}&access_token={own}"
    assert (await AsyncClient().get(f"/topic/ping/{query}")).status_code == 404
    assert (await AsyncClient().get(f"/topic/ping/{query}")).status_code == 404


def test_representations(producer: User) -> None:
    """Whoever prints an object sees no secret."""
    token, key = create_token(producer)
    drf_token = Token.objects.create(user=producer, key=CANARY)
    identities = [
        *(
            Identity(Caller(user), credential)
            for user, credential in auth.token_owners([key, drf_token.key]).values()
        ),
        Credential(CredentialKind.SESSION, CANARY),
    ]
    secret = key.split("_", 2)[2]  # which may have underscores of its own
    assert secret not in repr(token) + str(token) + repr(vars(token))
    assert not [each for each in map(repr, identities) if CANARY in each or secret in each]


def test_constant_time(producer: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """Digests are compared in constant time, also where there is nothing to compare with."""
    compared: list[tuple[str, str]] = []
    compare = token_module.hmac.compare_digest  # type: ignore[attr-defined]

    def note(one: str, other: str) -> bool:
        compared.append((one, other))
        return bool(compare(one, other))

    monkeypatch.setattr(token_module.hmac, "compare_digest", note)  # type: ignore[attr-defined]
    _, key = create_token(producer)
    assert token_owner(key) == producer
    assert token_owner(KEYS["wrong"]) is None
    assert len(compared) == 2
    assert all(len(each) == 64 for pair in compared for each in pair)
