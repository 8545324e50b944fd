"""A producer is told if the backend modules of a topic will ignore a message."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

import dasf_broker
from dasf_broker import database
from dasf_broker.models import BrokerTopic
from tests.doors.clients import GraphQLClient
from tests.doors.commands import run
from tests.doors.dasf.conftest import OpenDasf
from tests.doors.dasf.frames import ask, message

pytestmark = pytest.mark.django_db(transaction=True)

PUBLISH = """
mutation ($input: PublishMessageInput!) { publishMessage(input: $input) { status warning } }
"""
PUBLISH_MANY = """
mutation ($inputs: [PublishMessageInput!]!) {
  publishMessages(inputs: $inputs) { results { status warning } }
}
"""
WITH_ANSWER = {"topic": "topic", "responseTopic": "topic_answers"}
WITHOUT = {"topic": "topic"}


@pytest.fixture
def module(topic: BrokerTopic) -> None:
    """Let a backend module have answered a ping of the topic."""
    BrokerTopic.objects.update(last_pong=timezone.now())


@pytest.mark.usefixtures("module")
async def test_message(client: GraphQLClient, producer: User) -> None:
    """A message without a topic for its answer is published, with a warning, each time."""
    message_id = "6fa459ea-ee8a-3ca4-894e-db77e160355e"
    for status in ("STORED", "DUPLICATE"):
        wanted = {"input": {**WITHOUT, "messageId": message_id}}
        done = await client.value(PUBLISH, wanted, as_=producer)
        assert done["status"] == status
        assert "'response_topic'" in done["warning"]
    done = await client.value(PUBLISH, {"input": WITH_ANSWER}, as_=producer)
    assert done == {"status": "STORED", "warning": None}


@pytest.mark.usefixtures("module")
async def test_messages(client: GraphQLClient, producer: User) -> None:
    """Each of several has its own."""
    inputs: list[dict[str, Any]] = [WITHOUT, WITH_ANSWER, {"topic": "no slug"}]
    done = await client.value(PUBLISH_MANY, {"inputs": inputs}, as_=producer)
    warned = [each["warning"] is not None for each in done["results"]]
    assert warned == [True, False, False]


@pytest.mark.parametrize("fields", [{}, {"last_pong": timezone.now(), "supports_dasf": False}])
async def test_topic_without_modules(
    client: GraphQLClient, topic: BrokerTopic, producer: User, fields: dict[str, Any]
) -> None:
    """Other consumers take any message."""
    await database.write(BrokerTopic.objects.update, **fields)
    done = await client.value(PUBLISH, {"input": WITHOUT}, as_=producer)
    assert done == {"status": "STORED", "warning": None}


@pytest.mark.usefixtures("module")
async def test_answer(client: GraphQLClient, producer: User, topic: BrokerTopic) -> None:
    """Who listens to answers takes them as they are, also if it answered a ping."""
    await client.value(PUBLISH, {"input": WITH_ANSWER}, as_=producer)
    await database.write(BrokerTopic.objects.update, last_pong=timezone.now(), is_public=True)
    answer = {"topic": "topic_answers", "messageType": "RESPONSE"}
    done = await client.value(PUBLISH, {"input": answer}, as_=producer)
    assert done == {"status": "STORED", "warning": None}


@pytest.mark.usefixtures("module")
async def test_dasf_websocket(dasf: OpenDasf, producer: User) -> None:
    """The result is "ok" all the same: the reference system takes such messages."""
    socket = await dasf("topic", producer)
    answer = await ask(socket, message(properties={"messageType": "request"}))
    assert answer["result"] == "ok"
    assert "'response_topic'" in answer["warning"]
    needed = {"response_topic": "topic_answers", "requestContext": 0}
    for missing, properties in [("messageType", {}), (None, {"messageType": "request"})]:
        answer = await ask(socket, message(properties={**needed, **properties}))
        assert answer["result"] == "ok"
        assert (missing or "") in answer.get("warning", "")
        assert ("warning" in answer) is (missing is not None)


@pytest.mark.usefixtures("module")
def test_command(producer: User) -> None:
    """It prints the warning beside the result, or in it."""
    command = ("dasf_publish", "topic", "--text=hello", "--user=producer")
    ran = run(*command)
    assert ran.out.startswith("STORED")
    assert "'response_topic'" in ran.err
    assert "'response_topic'" in run(*command, "--json").data["warning"]
    assert run(*command, "--response-topic=topic_answers").err == ""


@pytest.mark.usefixtures("module")
def test_python(producer: User) -> None:
    """What is published has it."""
    done = dasf_broker.publish("topic", user=producer, text="hello")
    assert "'response_topic'" in str(done.warning)
