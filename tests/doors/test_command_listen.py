"""The command `dasf_listen`: show the messages of a topic as they come."""

from __future__ import annotations

import json

import pytest
from django.contrib.auth.models import User

from dasf_broker.domain.envelope import MessageType
from dasf_broker.models import Acknowledgement, BrokerMessage, BrokerTopic
from tests.doors.commands import run
from tests.doors.conftest import Publish

pytestmark = pytest.mark.django_db(transaction=True)
AS_CONSUMER = ("--user", "consumer")


@pytest.fixture
def _two_messages(
    topic: BrokerTopic, producer: User, consumer: User, publish_text: Publish
) -> None:
    for text in ("one", "two"):
        publish_text(producer, topic, text)


@pytest.mark.usefixtures("_two_messages")
def test_messages_are_shown() -> None:
    """In order, one a line; they stay outstanding."""
    ran = run("dasf_listen", "topic", "--count", "2", *AS_CONSUMER)
    assert (ran.code, ran.err) == (0, "")
    ids = BrokerMessage.objects.order_by("sequence").values_list("message_id", flat=True)
    lines = [line.split()[1:] for line in ran.out.splitlines()]
    assert lines == [
        ["request", str(each), text] for each, text in zip(ids, ["one", "two"], strict=True)
    ]
    assert not Acknowledgement.objects.exists()


@pytest.mark.usefixtures("_two_messages")
def test_messages_are_acknowledged() -> None:
    """Under the rule ``cache`` they are gone then."""
    assert run("dasf_listen", "topic", "--count", "1", "--ack", *AS_CONSUMER).code == 0
    assert BrokerMessage.objects.get().sequence == 2


@pytest.mark.usefixtures("_two_messages")
def test_messages_as_json() -> None:
    """The envelope as on the wire, one a line."""
    ran = run("dasf_listen", "topic", "--count", "2", "--json", *AS_CONSUMER)
    frames = [json.loads(line) for line in ran.out.splitlines()]
    rows = BrokerMessage.objects.order_by("sequence")
    for frame, row in zip(frames, rows, strict=True):
        assert frame.pop("publishTime")
        assert frame.pop("missed") == 0
        assert frame == row.content


def test_where_it_starts(topic: BrokerTopic, superuser: User, publish_text: Publish) -> None:
    """With all that is stored, acknowledged or not; a superuser listens where nobody is named."""
    BrokerTopic.objects.update(store_messages="store")
    publish_text(superuser, topic, "one")
    assert "one" in run("dasf_listen", "topic", "--count", "1", "--ack").out
    publish_text(superuser, topic, "two")
    assert "two" in run("dasf_listen", "topic", "--count", "1").out
    assert "one" in run("dasf_listen", "topic", "--count", "1", "--start", "earliest").out


def test_types(topic: BrokerTopic, producer: User, consumer: User, publish_text: Publish) -> None:
    """Only those that are named."""
    for kind in (MessageType.INFO, MessageType.PING, MessageType.LOG):
        publish_text(producer, topic, kind.value, message_type=kind)
    command = ("dasf_listen", "topic", "--count", "2", "--type", "ping", "--type", "log")
    assert [line.split()[1] for line in run(*command, *AS_CONSUMER).out.splitlines()] == [
        "ping",
        "log",
    ]


def test_the_terminal_is_safe(
    topic: BrokerTopic, producer: User, consumer: User, publish_text: Publish
) -> None:
    """What others publish cannot move the cursor; bytes are only counted."""
    publish_text(producer, topic, "a\x1b[2Jb")
    publish_text(producer, topic, None, payload="/w==")
    first, second = run("dasf_listen", "topic", "--count", "2", *AS_CONSUMER).out.splitlines()
    assert first.endswith(" a\ufffd[2Jb")
    assert second.endswith(" (4 characters of base64)")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["topic", "--count", "0"], "--count"),
        (["topic", "--start", "tomorrow"], "invalid choice"),
        (["other"], "NOT_FOUND"),
        (["no slug"], "BAD_INPUT"),
    ],
)
def test_refusals(arguments: list[str], told: str, topic: BrokerTopic, consumer: User) -> None:
    """They end the command at once."""
    ran = run("dasf_listen", *arguments, *AS_CONSUMER)
    assert ran.code == 1
    assert told in ran.err


def test_who_may_not_consume(topic: BrokerTopic, producer: User) -> None:
    """They may not listen either."""
    assert "FORBIDDEN" in run("dasf_listen", "topic", "--user", "producer").err
    assert "--user NAME" in run("dasf_listen", "topic").err
