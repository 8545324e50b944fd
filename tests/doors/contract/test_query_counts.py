"""A list costs as many queries with forty items as with two, whatever is asked about each item."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from django.contrib.auth.models import User
from pytest_django import Settings

from dasf_broker import database, primary
from dasf_broker.models import Acknowledgement, BrokerMessage, BrokerTopic
from dasf_broker.operations.publish import publish_batch
from dasf_broker.permissions import Right, grant
from tests.conftest import MakeTopic, MakeUser
from tests.doors.clients import DoorClient, key_of
from tests.doors.dasf.frames import queries_of_all_threads
from tests.operations.helpers import publication, published

pytestmark = pytest.mark.django_db(transaction=True)

MESSAGES = """{ pageInfo { hasNextPage hasPreviousPage } edges { cursor node {
  messageId payload user { username } deliveredTo { username } deliveredToAll acknowledged
  topic { slug permissions { canConsume } consumers { username } }
} } }"""

#: What may be asked of each topic of a page, and how many queries it takes, besides one for the
#: token and three for the page itself.
NESTED = {
    "slug websocketUrl availability { status }": 0,
    "permissions { canConsume }": 1,
    "consumers { username } producers { username } statusViewers { username }": 2,
    "outstandingCount": 2,
    "messages(first: 1) { edges { node { payload } } }": 4,
    "messages(last: 1) { edges { node { payload } } }": 4,
    "messages(filter: {context: 1, messageTypeIn: [REQUEST]}) { edges { node { text } } }": 4,
    "outstandingMessages(first: 1) { edges { node { text } } }": 4,
    "... on BrokerTopic { responseTopics(first: 1) { edges { node { slug } } } }": 3,
    "... on BrokerTopic { responseTopics { edges { node { outstandingCount } } } }": 4,
    "... on ResponseTopic { isResponseFor { slug } }": 2,
    "... on ResponseTopic { sourceMessages(last: 1) { edges { node { text } } } }": 5,
    f"messages {MESSAGES}": 13,
    f"messages {MESSAGES} outstandingMessages {MESSAGES}": 16,
}
TOPICS = "query { topics(first: 200) { edges { node { %s } } } }"

#: Other operations on all messages of a topic, with the number of all their queries.
LISTS = {
    f'{{ messages(topic: "busy") {MESSAGES} }}': 13,
    """mutation ($inputs: [PublishMessageInput!]!) { publishMessages(inputs: $inputs) {
      results { status error { code } message { user { username } topic { outstandingCount } } }
    } }""": 11,
    """mutation ($ids: [UUID!]!) { acknowledgeMessages(topic: "busy", messageIds: $ids) {
      acknowledged results { status removed }
    } }""": 9,
}


async def test_what_is_nested_in_topics(make_user: MakeUser, settings: Settings) -> None:
    """Every list of every topic, all at once: more than a server would allow."""
    settings.DASF_MAX_QUERY_DEPTH, settings.DASF_MAX_QUERY_COST = 9, 10_000_000
    viewer = await database.write(make_user, "viewer")
    few = await _counts(viewer, range(2))
    many = await _counts(viewer, range(2, 40))
    assert few == many
    assert {selection: count - 4 for selection, count in many.items()} == NESTED


async def _counts(viewer: User, numbers: Iterable[int]) -> dict[str, int]:
    await database.write(_add_topics, viewer, numbers)
    key = await key_of(viewer)
    counts = {}
    for selection in NESTED:
        counts[selection] = await _count(TOPICS % selection, {}, key)
    return counts


async def _count(query: str, variables: dict[str, Any], key: str) -> int:
    client = DoorClient()
    await client.execute("{ viewer { username } }", as_=key)  # the use of the token is noted
    with queries_of_all_threads() as seen:
        answer = await client.execute(query, variables, as_=key)
    assert not answer["errors"], answer
    return sum(not sql.startswith(("BEGIN", "SAVEPOINT", "RELEASE")) for sql in seen)


@primary.atomic()
def _add_topics(viewer: User, numbers: Iterable[int]) -> None:
    for number in numbers:
        _add_topic(viewer, number)


def _add_topic(viewer: User, number: int) -> None:
    topic = BrokerTopic.objects.create(slug=f"topic-{number}", store_messages="store")
    grant(viewer, topic, Right.CONSUME, Right.CHANGE)
    for name in ("ada", "bob"):
        user, _ = User.objects.get_or_create(username=f"{name}-{number}")
        grant(user, topic, Right.PRODUCE, Right.CONSUME)
        answers = f"{topic.slug}-answers-{name}"
        [outcome] = publish_batch(
            [publication(user, topic.slug, text=name, context=1, response_topic=answers)]
        )
        message = BrokerMessage.objects.get(message_id=published(outcome).message.message_id)
        Acknowledgement.objects.create(message=message, user=user)


@pytest.mark.parametrize("query", LISTS)
async def test_other_lists(query: str, make_user: MakeUser, make_topic: MakeTopic) -> None:
    """With two messages, and with forty."""
    topic = await database.write(make_topic, "busy", store_messages="store")
    viewer = await database.write(make_user, "viewer", topic, *Right)
    key, counts = await key_of(viewer), []
    for count in (2, 40):
        ids = await database.write(_add_messages, topic, count)
        inputs = [{"topic": "busy", "text": "hello"}] * count
        variables = {"inputs": inputs} if "$inputs" in query else {"ids": ids}
        counts.append(await _count(query, variables if "$" in query else {}, key))
    assert counts == [LISTS[query]] * 2


@primary.atomic()
def _add_messages(topic: BrokerTopic, count: int) -> list[str]:
    ids = []
    for number in range(count):
        user, _ = User.objects.get_or_create(username=f"user-{number}")
        grant(user, topic, Right.PRODUCE, Right.CONSUME)
        [outcome] = publish_batch([publication(user, topic.slug, text="hello")])
        ids.append(str(published(outcome).message.message_id))
    return ids
