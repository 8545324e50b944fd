"""A database that goes back under the subscribers of each door: they come back, or are told."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from pytest_django import Settings

from dasf_broker import database, subscribe
from dasf_broker.exceptions import UnavailableError
from dasf_broker.models import BrokerTopic
from tests.doors.conftest import OpenStream, Publish
from tests.doors.event_streams import COMPLETE
from tests.doors.waiting import until_heard
from tests.operations.helpers import restore

pytestmark = pytest.mark.django_db(transaction=True)

MESSAGES = 'subscription ($after: String) { messages(topic: "topic", after: $after) { text } }'


@pytest.fixture(autouse=True)
def _quick_looks(settings: Settings) -> None:
    """Look into the database all the time."""
    settings.DASF_LOOK_INTERVAL = 0.02


@pytest.fixture
async def three(publish_text: Publish, producer: User, topic: BrokerTopic) -> None:
    """Publish three messages."""
    for text in "abc":
        await database.write(publish_text, producer, topic, text)


async def test_an_event_stream_ends(
    three: None, open_stream: OpenStream, topic: BrokerTopic, consumer: User
) -> None:
    """With an error that clients retry; then its last event is told to be expired."""
    stream = await open_stream(MESSAGES, as_=consumer)
    await stream.block()
    cursors = [(await stream.event())[2] for _ in range(3)]
    await until_heard(topic)
    await database.write(restore, topic, 1)
    _, data, _ = await stream.event()
    assert _code(data) == "UNAVAILABLE"
    assert await stream.event() == COMPLETE
    for cursor in cursors:
        again = await open_stream(MESSAGES, as_=consumer, **{"last-event-id": cursor})
        await again.block()
        _, data, _ = await again.event()
        assert _code(data) == "CURSOR_EXPIRED"


async def test_code_of_the_host_is_told(three: None, topic: BrokerTopic, consumer: User) -> None:
    """The iterator raises."""
    async with subscribe("topic", user=consumer) as stream:
        assert [(await anext(stream)).text for _ in range(3)] == ["a", "b", "c"]
        await database.write(restore, topic, 1)
        with pytest.raises(UnavailableError):
            await anext(stream)


def _code(result: dict[str, Any]) -> str:
    [error] = result["errors"]
    code: str = error["extensions"]["code"]
    return code
