"""Which selections of a subscription may be rendered once for everybody."""

from __future__ import annotations

import pytest
from graphql import parse, validate

from dasf_broker.schema import schema
from dasf_broker.schema.execution.sharing import depends_on_viewer

SAME_FOR_ALL = [
    "messageId text data payload properties content context cursor publishTime",
    "id __typename",
    "user { username } isResponse deliveredToAll responseTopic",
    "acknowledged: text",
    "topic { slug isPublic availability { status roundTripTime } effectiveStoreMessages }",
    "topic { ... on ResponseTopic { slug } ... on Node { id } __typename }",
    "...Plain",
]
DIFFERENT = [
    "acknowledged",
    "deliveredTo { username }",
    "text: acknowledged",
    "messageId ... { messageId acknowledged }",
    "... on Message { acknowledged }",
    "... @include(if: true) { acknowledged }",
    "... on Node { ... on Message { acknowledged } }",
    "...Outer",
    "topic { permissions { canConsume } }",
    "topic { outstandingCount }",
    "topic { websocketUrl }",
    "topic { consumers { username } }",
    "topic { messages(first: 1) { edges { node { text } } } }",
    "topic { ... on BrokerTopic { slug permissions { canPing } } }",
    "topic { ... on BrokerTopic { responseTopics(first: 1) { edges { cursor } } } }",
    "topic { ... on ResponseTopic { isResponseFor { slug } } }",
]
FRAGMENTS = {
    "...Plain": " fragment Plain on Message { text topic { slug } }",
    "...Outer": " fragment Outer on Message { text ...Inner }"
    " fragment Inner on Message { topic { ...Deep } }"
    " fragment Deep on Topic { permissions { canPing } }",
}


@pytest.mark.parametrize("selection", SAME_FOR_ALL)
def test_what_is_the_same_for_all(selection: str) -> None:
    """Facts of the message and its topic are shared."""
    assert not is_individual(
        f'subscription {{ messages(topic: "t") {{ {selection} }} }}', selection
    )


@pytest.mark.parametrize("selection", DIFFERENT)
def test_what_depends_on_the_viewer(selection: str) -> None:
    """One such field anywhere, under any name and any fragment, and nothing is shared."""
    assert is_individual(f'subscription {{ messages(topic: "t") {{ {selection} }} }}', selection)


@pytest.mark.parametrize(
    ("document", "individual"),
    [
        ('{ pings(topic: "t") { pingedAt user { username } topic { slug } } }', False),
        ('{ pings(topic: "t") { topic { outstandingCount } } }', True),
        ('{ pongs(topic: "t") { pongedAt roundTripTime availability { isOnline } } }', False),
        ('{ pongs(topic: "t") { topic { permissions { canPing } } } }', True),
        ('{ availability(topic: "t") { status isOnline lastPing lastPong } }', False),
        ('{ mine: messages(topic: "t") { text } }', False),
        ('{ ...Root } fragment Root on Subscription { messages(topic: "t") { text } }', False),
        (
            '{ ...Root } fragment Root on Subscription { messages(topic: "t") { acknowledged } }',
            True,
        ),
    ],
)
def test_other_subscriptions(document: str, individual: bool) -> None:
    """The root field itself never counts: it chooses events."""
    assert is_individual(f"subscription {document}") is individual


def is_individual(document: str, selection: str = "") -> bool:
    """Return the answer for a document that the schema accepts."""
    parsed = parse(document + FRAGMENTS.get(selection, ""))
    assert validate(schema._schema, parsed) == []
    return depends_on_viewer(schema._schema, parsed)
