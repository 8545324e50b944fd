"""Topics that one may not see are answered like topics that do not exist."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User

from dasf_broker import database
from dasf_broker.models import BrokerTopic
from tests.conftest import MakeTopic
from tests.doors.clients import Answer, GraphQLClient, is_refusal

pytestmark = pytest.mark.django_db(transaction=True)

MESSAGE_ID = "00000000-0000-4000-8000-000000000000"
#: A cursor that could be one of any topic.
CURSOR = "WzEsIDFd"

#: Every operation that names a topic, as `$t`.
OPERATIONS = {
    "topic": "query ($t: String!) { topic(slug: $t) { slug } }",
    "message": f'query ($t: String!) {{ message(topic: $t, messageId: "{MESSAGE_ID}") {{ id }} }}',
    "messages": "query ($t: String!) { messages(topic: $t) { edges { cursor } } }",
    "publishMessage": "mutation ($t: String!) { publishMessage(input: {topic: $t}) { status } }",
    "acknowledgeMessage": "mutation ($t: String!) "
    f'{{ acknowledgeMessage(topic: $t, messageId: "{MESSAGE_ID}") {{ status }} }}',
    "acknowledgeMessages": "mutation ($t: String!) "
    f'{{ acknowledgeMessages(topic: $t, messageIds: ["{MESSAGE_ID}"]) {{ acknowledged }} }}',
    "acknowledgeMessages-upTo": "mutation ($t: String!) "
    f'{{ acknowledgeMessages(topic: $t, upTo: "{CURSOR}") {{ acknowledged }} }}',
    "pingTopic": "mutation ($t: String!) { pingTopic(topic: $t) { pingedAt } }",
    "pongTopic": "mutation ($t: String!) { pongTopic(topic: $t) { pongedAt } }",
    "updateTopic": "mutation ($t: String!) "
    "{ updateTopic(input: {topic: $t, isPublic: true}) { topic { slug } } }",
    "deleteTopic": "mutation ($t: String!) { deleteTopic(topic: $t) { slug } }",
    "grantPermission": "mutation ($t: String!) "
    '{ grantPermission(topic: $t, permission: DELETE, username: "nobody") { topic { slug } } }',
    "revokePermission": "mutation ($t: String!) "
    '{ revokePermission(topic: $t, permission: DELETE, username: "nobody") { topic { slug } } }',
}


@pytest.fixture(autouse=True)
def hidden(make_topic: MakeTopic) -> None:
    """Make a topic that nobody but superusers may see."""
    make_topic("hidden")


@pytest.mark.parametrize("operation", OPERATIONS)
async def test_hidden_is_missing(client: GraphQLClient, stranger: User, operation: str) -> None:
    """Text, code and status are the same, with an account and without."""
    for user in (stranger, None):
        hidden = await client.execute(OPERATIONS[operation], {"t": "hidden"}, as_=user)
        missing = await client.execute(OPERATIONS[operation], {"t": "missing"}, as_=user)
        [error] = missing["errors"]
        assert is_refusal(error, "NOT_FOUND")
        assert _renamed(hidden) == missing
    assert await database.read(BrokerTopic.objects.count) == 1


async def test_hidden_topics_are_in_no_list(client: GraphQLClient, stranger: User) -> None:
    """A filter that names a hidden topic finds nothing."""
    query = '{ topics(filter: {slugIn: ["hidden"]}) { edges { node { slug } } } }'
    for user in (stranger, None):
        assert await client.value(query, as_=user) == {"edges": []}


def _renamed(answer: Answer) -> Answer:
    for error in answer["errors"]:
        error["message"] = error["message"].replace("hidden", "missing")
    return answer
