"""Several mutations in one operation: each sees what those before it changed, in every list."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from graphql import GraphQLNamedType, GraphQLObjectType, get_named_type, is_leaf_type
from pytest_django import Settings

from dasf_broker.models import BrokerTopic, ResponseTopic
from dasf_broker.permissions import Right, grant
from dasf_broker.schema import schema
from tests.conftest import MakeUser
from tests.doors.clients import DoorClient
from tests.doors.conftest import Publish

pytestmark = pytest.mark.django_db(transaction=True)

#: What is read of each type that a topic refers to.
_PARTS = {
    "BrokerTopic": "slug retentionCount",
    "MessageConnection": "edges { node { messageId acknowledged deliveredTo { username } "
    "deliveredToAll topic { retentionCount } user { username } } }",
    "ResponseTopicConnection": "edges { node { slug outstandingCount } }",
    "TopicPermissions": "canProduce canConsume canViewStatus",
    "User": "username",
}

#: It changes with each ping, by which topics are read here.
_UNSTEADY = {"availability"}

_RIGHT = 'topic: "topic", permission: CAN_CONSUME'

#: The mutations, each with a field that changes what is read, and one of the lists that change.
_CHANGES = {
    "publishMessage": ('publishMessage(input: {topic: "topic", text: "b"}) { status }', "messages"),
    "publishMessages": (
        'publishMessages(inputs: [{topic: "topic", text: "b"}]) { results { status } }',
        "outstandingCount",
    ),
    "acknowledgeMessage": (
        'acknowledgeMessage(topic: "topic", messageId: "MESSAGE") { status }',
        "outstandingMessages",
    ),
    "acknowledgeMessages": (
        'acknowledgeMessages(topic: "topic", messageIds: ["MESSAGE"]) { acknowledged }',
        "messages",
    ),
    "pingTopic": ('pingTopic(topic: "topic") { pingedAt }', None),
    "pongTopic": ('pongTopic(topic: "topic") { pongedAt }', None),
    "createTopic": ('createTopic(input: {slug: "fresh"}) { topic { slug } }', None),
    "updateTopic": (
        'updateTopic(input: {topic: "topic", retentionCount: 7}) { topic { slug } }',
        "messages",
    ),
    "deleteTopic": ('deleteTopic(topic: "topic_gone") { slug }', "responseTopics"),
    "grantPermission": (
        f'grantPermission({_RIGHT}, username: "other") {{ __typename }}',
        "consumers",
    ),
    "revokePermission": (
        f'revokePermission({_RIGHT}, username: "viewer") {{ __typename }}',
        "permissions",
    ),
}


def _all_of(type_name: str) -> str:
    """Return a selection of all fields of a type of topics."""
    kind = schema._schema.type_map[type_name]
    assert isinstance(kind, GraphQLObjectType)
    return " ".join(
        f"{name} {_selected(get_named_type(field.type))}"
        for name, field in kind.fields.items()
        if name not in _UNSTEADY
    )


def _selected(kind: GraphQLNamedType) -> str:
    return "" if is_leaf_type(kind) else f"{{ {_PARTS[kind.name]} }}"


_FRAGMENTS = f"""
  fragment Topic on BrokerTopic {{ {_all_of("BrokerTopic")} }}
  fragment Answers on ResponseTopic {{ {_all_of("ResponseTopic")} }}
"""
_READ = """
  topic%(n)s: pingTopic(topic: "topic") { topic { ...Topic } }
  answers%(n)s: pingTopic(topic: "topic_answers") { topic { ...Answers } }
"""


@pytest.fixture
def viewer(make_user: MakeUser, topic: BrokerTopic) -> User:
    """Return a user with all rights that the mutations need, who is no superuser."""
    make_user("other")
    user = make_user("viewer", topic, Right.PRODUCE, Right.CONSUME, Right.CHANGE)
    user.user_permissions.add(Permission.objects.get(codename="add_brokertopic"))
    return user


@pytest.fixture
def message_id(topic: BrokerTopic, viewer: User, publish_text: Publish) -> str:
    """Store a message with a response topic, and make another response topic; return its id."""
    BrokerTopic.objects.update(store_messages="store")
    for slug in ("topic_answers", "topic_gone"):
        answers = ResponseTopic.objects.create(slug=slug, is_response_for=topic)
        grant(viewer, answers, Right.PRODUCE, Right.CONSUME, Right.DELETE)
    done = publish_text(viewer, topic, "a", response_topic="topic_answers")
    return str(done.message.message_id)


def test_each_mutation_is_tried() -> None:
    """Also one that is added later."""
    mutations = schema._schema.mutation_type
    assert mutations is not None
    assert set(_CHANGES) == set(mutations.fields)


@pytest.mark.parametrize("name", _CHANGES)
async def test_lists_after_a_mutation(
    name: str, viewer: User, message_id: str, settings: Settings, hub_lifetime: None
) -> None:
    """What is read behind it is as another operation reads it, whatever was read before it."""
    settings.DASF_MAX_QUERY_DEPTH, settings.DASF_MAX_QUERY_COST = 9, 1_000_000
    change, changed = _CHANGES[name]
    client, change = DoorClient(), change.replace("MESSAGE", message_id)
    document = f"mutation {{ {_READ % {'n': 1}} change: {change} {_READ % {'n': 2}} }} {_FRAGMENTS}"
    together = await _data(client, document, viewer)
    alone = await _data(client, f"mutation {{ {_READ % {'n': 2}} }} {_FRAGMENTS}", viewer)
    for root in alone:
        for field, value in alone[root]["topic"].items():
            assert together[root]["topic"][field] == value, (root, field)
    if changed is not None:
        assert together["topic1"]["topic"][changed] != alone["topic2"]["topic"][changed]


async def _data(client: DoorClient, document: str, user: User) -> dict[str, Any]:
    answer = await client.execute(document, as_=user)
    assert not answer["errors"], answer["errors"]
    assert answer["data"] is not None
    return answer["data"]
