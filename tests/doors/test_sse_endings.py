"""Streams of events end with what they rest on: a right, a credential, a client that reads."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.middleware.csrf import _get_new_csrf_string
from django.test import Client
from pytest_django import Settings

from dasf_broker import database
from dasf_broker.auth import revocation as credential_revocation
from dasf_broker.models import ApiToken, BrokerTopic
from dasf_broker.operations.subscriptions import revocation
from dasf_broker.permissions import Right, revoke
from dasf_broker.runtime import current
from dasf_broker.transports.connection import send_timeout
from testproject.asgi import application
from tests.doors.clients import is_refusal, key_of
from tests.doors.conftest import OpenStream, Publish
from tests.doors.event_streams import EventStream
from tests.doors.test_sse import MESSAGES
from tests.doors.test_stuck_clients import Buffer
from tests.doors.waiting import until, until_heard

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look often; how often it is otherwise, the tests of revocation know."""
    for sweep in (revocation.RIGHTS, credential_revocation.CREDENTIALS, send_timeout.SENDS):
        monkeypatch.setattr(sweep, "interval", 0.02)


async def test_right_is_taken_away(
    open_stream: OpenStream, consumer: User, topic: BrokerTopic
) -> None:
    """The last result says so."""
    stream = await open_stream(MESSAGES, as_=consumer)
    await until_heard(topic)
    await database.write(revoke, consumer, topic, Right.CONSUME)
    assert is_refusal(await stream.error(), "FORBIDDEN")
    await stream.ended()


async def test_token_is_revoked(
    open_stream: OpenStream, consumer: User, topic: BrokerTopic
) -> None:
    """The last result says so, and nothing is delivered any more."""
    stream = await open_stream(MESSAGES, as_=consumer)
    await until_heard(topic)
    await database.write(ApiToken.objects.all().delete)
    assert is_refusal(await stream.error(), "UNAUTHENTICATED")
    await stream.ended()
    assert not current().hub.topics


async def test_session_logs_out(
    open_stream: OpenStream,
    consumer: User,
    topic: BrokerTopic,
    django_thread: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A stream under a session goes on as long as that does, and no longer."""
    looks: list[Any] = []
    look = credential_revocation._check

    async def noted(watched: Any) -> None:
        await look(watched)
        looks.append(watched)

    monkeypatch.setattr(credential_revocation.CREDENTIALS, "check", noted)
    stream = await open_stream(MESSAGES, **await database.write(_log_in, consumer))
    await until_heard(topic)
    await until(lambda: len(looks) > 1)
    assert stream._from_server.qsize() == 1  # the comment with which it begins
    await database.write(Session.objects.all().delete)
    assert is_refusal(await stream.error(), "UNAUTHENTICATED")


async def test_session_needs_csrf_token(
    open_stream: OpenStream, consumer: User, topic: BrokerTopic, django_thread: None
) -> None:
    """Another site's page cannot read a stream with the visitor's cookie."""
    headers = await database.write(_log_in, consumer)
    del headers["x-csrftoken"]
    assert (await open_stream(MESSAGES, **headers)).status == 403


async def test_streams_have_places(
    open_stream: OpenStream, consumer: User, topic: BrokerTopic, settings: Settings
) -> None:
    """A stream takes a place as a socket does, and gives it back."""
    settings.DASF_MAX_SOCKETS_PER_USER = 1
    first = await open_stream(MESSAGES, as_=consumer)
    refused = await open_stream(MESSAGES, as_=consumer)
    assert (refused.status, int(refused.headers["retry-after"]) > 0) == (503, True)
    assert is_refusal(json.loads(await refused.block())["errors"][0], "RATE_LIMITED")
    await first.close()
    assert (await open_stream(MESSAGES, as_=consumer)).status == 200


async def test_stuck_client_is_given_up(
    consumer: User,
    producer: User,
    topic: BrokerTopic,
    publish_text: Publish,
    settings: Settings,
    hub_lifetime: None,
) -> None:
    """A client that takes nothing any more costs no subscription."""
    settings.DASF_SEND_TIMEOUT = 0.1
    for text in "abc":
        await database.write(publish_text, producer, topic, text)
    headers = {"authorization": f"Bearer {await key_of(consumer)}"}
    stream = EventStream(application, MESSAGES, headers=headers)
    stream._from_server = buffer = Buffer(3)
    await stream.open()
    buffer.put_nowait({"type": "keeps room"})
    await until(buffer.full)
    await stream.ended()
    assert buffer.aborted
    assert not current().hub.topics


async def test_server_ends(consumer: User, topic: BrokerTopic, hub_lifetime: None) -> None:
    """A stream that the server cancels leaves nothing behind."""
    headers = {"authorization": f"Bearer {await key_of(consumer)}"}
    stream = await EventStream(application, MESSAGES, headers=headers).open()
    await until_heard(topic)
    assert stream._task is not None
    stream._task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stream.ended()
    assert not current().hub.topics


def _log_in(user: User) -> dict[str, str]:
    """Return the headers of a page on which the user is logged in."""
    client, secret = Client(), _get_new_csrf_string()
    client.force_login(user)
    session = client.cookies[django_settings.SESSION_COOKIE_NAME].value
    names = (django_settings.SESSION_COOKIE_NAME, django_settings.CSRF_COOKIE_NAME)
    return {"cookie": f"{names[0]}={session}; {names[1]}={secret}", "x-csrftoken": secret}
