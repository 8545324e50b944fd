"""The command `dasf_publish`: publish a message to a topic."""

from __future__ import annotations

import base64
import io
import json
import sys
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from pytest_django import Settings

from dasf_broker.domain.envelope import decode_data, decode_text
from dasf_broker.models import BrokerMessage, BrokerTopic
from dasf_broker.permissions import Right, grant
from tests.doors.commands import run

AS_PRODUCER = ("--user", "producer")


@pytest.mark.parametrize("data", [{"celsius": 6.2}, [1, "ä"], 0, "", None, False])
def test_data(data: Any, topic: BrokerTopic, producer: User) -> None:
    """Any JSON is a body."""
    ran = run("dasf_publish", "topic", f"--data={json.dumps(data)}", *AS_PRODUCER)
    message = BrokerMessage.objects.get()
    assert (ran.code, ran.out) == (0, f"STORED {message.message_id}\n")
    assert decode_data(message.content["payload"]) == data
    assert decode_text(message.content["payload"])
    assert message.user == producer


@pytest.mark.parametrize("text", ["hello", "", "grüße\n"])
def test_text(text: str, topic: BrokerTopic, producer: User) -> None:
    """A text goes as it is."""
    assert run("dasf_publish", "topic", f"--text={text}", *AS_PRODUCER).code == 0
    assert decode_text(BrokerMessage.objects.get().content["payload"]) == text


@pytest.mark.parametrize("is_input", [False, True])
def test_file(
    is_input: bool,
    tmp_path: Path,
    topic: BrokerTopic,
    producer: User,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Bytes come from a file, or from standard input."""
    body, path = b"\xff\x00 bytes", tmp_path / "body"
    path.write_bytes(body)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(body)))
    source = "-" if is_input else str(path)
    assert run("dasf_publish", "topic", "--file", source, *AS_PRODUCER).code == 0
    assert base64.b64decode(BrokerMessage.objects.get().content["payload"]) == body


def test_everything_else_of_a_message(topic: BrokerTopic, producer: User) -> None:
    """Its id, type, context, properties, and where answers should go."""
    message_id = str(uuid4())
    parts = ["--message-id", message_id, "--type", "info", "--context", "7"]
    parts += ["--properties", '{"status": "ok"}', "--response-topic", "topic_answers"]
    command = ("dasf_publish", "topic", *parts, *AS_PRODUCER, "--json")
    expected = {
        "topic": "topic",
        "messageId": message_id,
        "status": "STORED",
        "topicCreated": False,
        "responseTopic": "topic_answers",
        "warning": None,
    }
    assert run(*command).data == expected
    assert run(*command).data == expected | {"status": "DUPLICATE"}
    content = BrokerMessage.objects.get().content
    assert (content["messageId"], content["context"], content["payload"]) == (message_id, 7, "")
    assert content["properties"] == {
        "messageType": "info",
        "status": "ok",
        "response_topic": "topic_answers",
        "requestContext": 7,
    }


def test_full_topic(topic: BrokerTopic, producer: User, settings: Settings) -> None:
    """It is told, with what to do; the same message again is fine."""
    settings.DASF_MAX_BACKLOG = 1
    first = ("dasf_publish", "topic", "--message-id", str(uuid4()), "--text", "a", *AS_PRODUCER)
    assert run(*first).out.startswith("STORED ")
    ran = run("dasf_publish", "topic", "--text", "b", *AS_PRODUCER)
    assert (ran.code, ran.out) == (1, "")
    assert "holds 1 messages" in ran.err
    assert "(TOPIC_FULL)" in ran.err
    assert run(*first).out.startswith("DUPLICATE ")


def test_unstored_messages_are_sent(topic: BrokerTopic, producer: User) -> None:
    """The outcome says so."""
    BrokerTopic.objects.update(store_messages="disabled")
    assert run("dasf_publish", "topic", "--text", "a", *AS_PRODUCER).out.startswith("SENT ")


def test_without_a_name_a_superuser_publishes(topic: BrokerTopic, superuser: User) -> None:
    """The first active one."""
    assert run("dasf_publish", "topic", "--text", "a").code == 0
    assert BrokerMessage.objects.get().user == superuser


def test_somebody_must_publish(topic: BrokerTopic, producer: User) -> None:
    """Where there is no superuser, the command says what to do."""
    ran = run("dasf_publish", "topic", "--text", "a")
    assert ran.code == 1
    assert "--user NAME" in ran.err
    assert "createsuperuser" in ran.err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["topic", "--data", "{"], "--data is not JSON"),
        (["topic", "--data", "[" * 100_000], "--data is not JSON"),
        (["topic", "--properties", "x"], "--properties is not JSON"),
        (["topic", "--properties", "[]"], "BAD_INPUT"),
        (["topic", "--file", "/no/such/file"], "cannot be read"),
        (["topic", "--message-id", "7"], "not a UUID"),
        (["topic", "--text", "a", "--data", "1"], "not allowed with"),
        (["no slug", "--text", "a"], "BAD_INPUT"),
        (["other", "--text", "a"], "NOT_FOUND"),
        (["secret", "--text", "a"], "NOT_FOUND"),
        (["mine", "--text", "a"], "FORBIDDEN"),
    ],
)
def test_refusals(arguments: list[str], told: str, topic: BrokerTopic, producer: User) -> None:
    """They are told, with the code of the broker's errors, and nothing is written."""
    BrokerTopic.objects.create(slug="secret")
    grant(producer, BrokerTopic.objects.create(slug="mine"), Right.CONSUME)
    ran = run("dasf_publish", *arguments, *AS_PRODUCER)
    assert ran.code == 1
    assert told in ran.err
    assert not BrokerMessage.objects.exists()
