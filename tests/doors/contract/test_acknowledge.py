"""The mutations `acknowledgeMessage` and `acknowledgeMessages`."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest
from django.contrib.auth.models import User

from dasf_broker import database
from dasf_broker.domain.cursors import message_cursor
from dasf_broker.models import Acknowledgement, BrokerMessage, BrokerTopic
from tests.conftest import MakeTopic
from tests.doors.clients import GraphQLClient, is_refusal
from tests.doors.conftest import Publish

pytestmark = pytest.mark.django_db(transaction=True)

ONE = """
mutation ($topic: String! = "topic", $id: UUID!) {
  acknowledgeMessage(topic: $topic, messageId: $id) { messageId status removed }
}
"""
SEVERAL = """
mutation ($topic: String! = "topic", $ids: [UUID!], $upTo: String) {
  acknowledgeMessages(topic: $topic, messageIds: $ids, upTo: $upTo) {
    results { messageId status removed } acknowledged
  }
}
"""


@pytest.fixture(autouse=True)
def ids(topic: BrokerTopic, producer: User, consumer: User, publish_text: Publish) -> list[str]:
    """Publish three messages; return their ids."""
    done = [publish_text(producer, topic, text) for text in "abc"]
    return [str(each.message.message_id) for each in done]


async def test_acknowledged_message_is_gone(
    client: GraphQLClient, consumer: User, ids: list[str]
) -> None:
    """Under `cache` the first acknowledgement removes; a second one finds nothing."""
    expected = {"messageId": ids[0], "status": "ACKNOWLEDGED", "removed": True}
    assert await client.value(ONE, {"id": ids[0]}, as_=consumer) == expected
    again = await client.value(ONE, {"id": ids[0]}, as_=consumer)
    assert again == {"messageId": ids[0], "status": "UNKNOWN", "removed": False}
    assert await _left() == ids[1:]


async def test_stored_message_stays(client: GraphQLClient, consumer: User, ids: list[str]) -> None:
    """Under `store` it stays, and acknowledging twice is no error."""
    await _keep()
    for status in ("ACKNOWLEDGED", "ALREADY_ACKNOWLEDGED"):
        done = await client.value(ONE, {"id": ids[0]}, as_=consumer)
        assert (done["status"], done["removed"]) == (status, False)
    assert await _left() == ids


async def test_several_by_id(client: GraphQLClient, consumer: User, ids: list[str]) -> None:
    """Several are acknowledged at once; results are in order, unknown ones are no error."""
    unknown = str(uuid4())
    done = await client.value(SEVERAL, {"ids": [ids[2], unknown, ids[0]]}, as_=consumer)
    assert [each["messageId"] for each in done["results"]] == [ids[2], unknown, ids[0]]
    statuses = [each["status"] for each in done["results"]]
    assert statuses == ["ACKNOWLEDGED", "UNKNOWN", "ACKNOWLEDGED"]
    assert done["acknowledged"] == 2
    assert await _left() == [ids[1]]


async def test_up_to_a_cursor(
    client: GraphQLClient, topic: BrokerTopic, consumer: User, ids: list[str]
) -> None:
    """A cursor acknowledges its message and all before it, each once."""
    variables = {"upTo": message_cursor(topic.pk, 2, topic.epoch)}
    done = await client.value(SEVERAL, variables, as_=consumer)
    assert done == {"results": [], "acknowledged": 2}
    assert await client.value(SEVERAL, variables, as_=consumer) == {
        "results": [],
        "acknowledged": 0,
    }
    assert await _left() == [ids[2]]


async def test_no_ids(client: GraphQLClient, consumer: User) -> None:
    """An empty list acknowledges nothing."""
    done = await client.value(SEVERAL, {"ids": []}, as_=consumer)
    assert done == {"results": [], "acknowledged": 0}


@pytest.mark.parametrize("query", [ONE, SEVERAL], ids=["one", "several"])
async def test_rights(
    client: GraphQLClient,
    producer: User,
    manager: User,
    stranger: User,
    ids: list[str],
    query: str,
) -> None:
    """Only consumers may acknowledge; others lose nothing for them."""
    await _keep()
    variables = {"id": ids[0]} if query is ONE else {"ids": ids[:1]}
    expected = {
        producer: "FORBIDDEN",
        manager: "FORBIDDEN",
        stranger: "NOT_FOUND",
        None: "NOT_FOUND",
    }
    for user, code in expected.items():
        assert is_refusal(await client.refusal(query, variables, as_=user), code)
    assert not await database.read(Acknowledgement.objects.exists)


async def test_right_for_cursors(
    client: GraphQLClient, topic: BrokerTopic, producer: User, ids: list[str]
) -> None:
    """So it is with a cursor."""
    variables = {"upTo": message_cursor(topic.pk, 2, topic.epoch)}
    assert is_refusal(await client.refusal(SEVERAL, variables, as_=producer), "FORBIDDEN")
    assert await _left() == ids


@pytest.mark.parametrize(
    ("variables", "field"),
    [
        ({"topic": "no slug", "ids": [str(UUID(int=1))]}, "topic"),
        ({"topic": "no slug", "upTo": "x"}, "topic"),
        ({}, "messageIds"),
        ({"ids": None, "upTo": None}, "messageIds"),
        ({"ids": [], "upTo": "x"}, "messageIds"),
        ({"upTo": "garbage"}, "upTo"),
        ({"upTo": ""}, "upTo"),
        ({"upTo": "nul\0"}, "upTo"),
        ({"ids": [str(UUID(int=1))] * 501}, "messageIds"),
        ({"ids": ["nonsense"]}, None),
        ({"ids": [None]}, None),
    ],
    ids=lambda value: ascii(value)[:40],
)
async def test_bad_input(
    client: GraphQLClient,
    consumer: User,
    ids: list[str],
    variables: dict[str, Any],
    field: str | None,
) -> None:
    """What cannot be meant is refused, and nothing is acknowledged."""
    error = await client.refusal(SEVERAL, variables, as_=consumer)
    assert is_refusal(error, "BAD_INPUT", field)
    assert await _left() == ids


async def test_cursor_of_another_topic(
    client: GraphQLClient, consumer: User, make_topic: MakeTopic, ids: list[str]
) -> None:
    """A cursor belongs to one topic."""
    other = await database.write(make_topic, "other")
    variables = {"upTo": message_cursor(other.pk, 3, other.epoch)}
    error = await client.refusal(SEVERAL, variables, as_=consumer)
    assert is_refusal(error, "BAD_INPUT", "upTo")
    assert await _left() == ids


@pytest.mark.parametrize("wrong", ["nonsense", 1, None])
async def test_id_that_is_no_uuid(client: GraphQLClient, consumer: User, wrong: Any) -> None:
    """An id that is not a UUID is bad input."""
    assert is_refusal(await client.refusal(ONE, {"id": wrong}, as_=consumer), "BAD_INPUT")


async def test_slug_is_checked(client: GraphQLClient, consumer: User) -> None:
    """What cannot be a slug is bad input."""
    variables = {"topic": "no slug", "id": str(uuid4())}
    assert is_refusal(await client.refusal(ONE, variables, as_=consumer), "BAD_INPUT", "topic")


async def _keep() -> None:
    await database.write(lambda: BrokerTopic.objects.update(store_messages="store"))


async def _left() -> list[str]:
    def load() -> list[str]:
        rows = BrokerMessage.objects.order_by("sequence")
        return [str(each) for each in rows.values_list("message_id", flat=True)]

    return await database.read(load)
