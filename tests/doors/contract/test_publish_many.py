"""The mutation `publishMessages`: one result an input, and a refusal fails no other."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from pytest_django import Settings

from dasf_broker import database
from dasf_broker.domain.envelope import decode_text
from dasf_broker.models import BrokerMessage, BrokerTopic
from tests.conftest import MakeTopic
from tests.doors.clients import GraphQLClient, is_refusal

pytestmark = pytest.mark.django_db(transaction=True)

PUBLISH = """
mutation ($inputs: [PublishMessageInput!]!) {
  publishMessages(inputs: $inputs) {
    results { messageId status error { code message field } message { text } }
  }
}
"""


async def test_results_are_in_order(
    client: GraphQLClient, topic: BrokerTopic, producer: User
) -> None:
    """Each input has its result at its place."""
    inputs = [{"topic": "topic", "text": str(n)} for n in range(5)]
    results = await _publish(client, producer, inputs)
    assert [each["message"]["text"] for each in results] == ["0", "1", "2", "3", "4"]
    assert {each["status"] for each in results} == {"STORED"}
    assert [each["error"] for each in results] == [None] * 5
    assert await _texts() == ["0", "1", "2", "3", "4"]


async def test_refusals_fail_no_others(
    client: GraphQLClient,
    topic: BrokerTopic,
    producer: User,
    make_topic: MakeTopic,
    settings: Settings,
) -> None:
    """Whatever is wrong with some inputs, the others are published."""
    settings.DASF_MAX_MESSAGE_SIZE = 500
    await database.write(make_topic, "hidden")
    known = str(uuid4())
    results = await _publish(
        client,
        producer,
        [
            {"topic": "topic", "text": "first", "messageId": known},
            {"topic": "no slug"},
            {"topic": "hidden", "messageId": known},
            {"topic": "missing"},
            {"topic": "topic", "data": 1, "text": "both"},
            {"topic": "topic", "payload": "not base64!"},
            {"topic": "topic", "text": "x" * 500},
            {"topic": "topic", "text": "first", "messageId": known},
            {"topic": "topic", "text": "other", "messageId": known},
            {"topic": "topic", "text": "last"},
        ],
    )
    assert [_outcome(each) for each in results] == [
        "STORED",
        ("BAD_INPUT", "topic"),
        ("NOT_FOUND", None),
        ("NOT_FOUND", None),
        ("BAD_INPUT", "text"),
        ("BAD_INPUT", "payload"),
        ("PAYLOAD_TOO_LARGE", None),
        "DUPLICATE",
        ("CONFLICT", None),
        "STORED",
    ]
    assert results[2]["messageId"] == known
    assert await _texts() == ["first", "last"]


async def test_hidden_and_missing_are_alike(
    client: GraphQLClient, stranger: User, topic: BrokerTopic
) -> None:
    """A topic that one may not see is refused like one that does not exist."""
    inputs = [{"topic": "topic"}, {"topic": "missing"}]
    hidden, missing = await _publish(client, stranger, inputs)
    hidden["error"]["message"] = hidden["error"]["message"].replace("topic'", "missing'")
    assert hidden == missing


async def test_who_may_not_publish_is_refused(
    client: GraphQLClient, topic: BrokerTopic, consumer: User
) -> None:
    """A consumer sees the topic and is refused."""
    [result] = await _publish(client, consumer, [{"topic": "topic"}])
    assert _outcome(result) == ("FORBIDDEN", None)


async def test_nothing_is_published_of_nothing(client: GraphQLClient, producer: User) -> None:
    """An empty list has no results."""
    assert await _publish(client, producer, []) == []


async def test_at_most_500(client: GraphQLClient, topic: BrokerTopic, producer: User) -> None:
    """500 are published; of 501 none is."""
    error = await client.refusal(PUBLISH, {"inputs": [{"topic": "topic"}] * 501}, as_=producer)
    assert is_refusal(error, "BAD_INPUT", "inputs")
    assert await _texts() == []
    results = await _publish(client, producer, [{"topic": "topic"}] * 500)
    assert {each["status"] for each in results} == {"STORED"}


@pytest.mark.parametrize(
    "inputs", [None, "text", [None], [{}], [{"topic": "topic", "context": "x"}]]
)
async def test_inputs_that_are_none(
    client: GraphQLClient, topic: BrokerTopic, producer: User, inputs: Any
) -> None:
    """Inputs that are no messages at all are refused together."""
    assert is_refusal(await client.refusal(PUBLISH, {"inputs": inputs}, as_=producer), "BAD_INPUT")


def _outcome(result: dict[str, Any]) -> str | tuple[str, str | None]:
    if result["error"] is None:
        status: str = result["status"]
        return status
    assert result["status"] is result["message"] is None
    return result["error"]["code"], result["error"]["field"]


async def _publish(
    client: GraphQLClient, user: User, inputs: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    results = (await client.value(PUBLISH, {"inputs": inputs}, as_=user))["results"]
    assert isinstance(results, list)
    return results


async def _texts() -> list[str]:
    def load() -> list[str]:
        return [str(row.content["payload"]) for row in BrokerMessage.objects.order_by("sequence")]

    return [decode_text(payload) or "" for payload in await database.read(load)]
