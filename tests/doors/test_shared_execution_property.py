"""Shared execution is not to be seen: any document says what it says executed for one alone."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.test import override_settings
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from dasf_broker.domain.envelope import Envelope, MessageType
from dasf_broker.domain.events import MessagePublished
from dasf_broker.models import BrokerTopic
from dasf_broker.operations.caller import Caller
from dasf_broker.operations.subscriptions import messages as subscriptions
from dasf_broker.permissions import Right
from dasf_broker.realtime.mailbox import Delivery
from dasf_broker.schema import schema
from dasf_broker.schema.errors import format_errors
from dasf_broker.schema.execution.context import Context
from dasf_broker.transports.connection.socket_budget import ResultSlots
from dasf_broker.transports.graphql.execution import GraphQLRequest
from dasf_broker.transports.graphql.shared_results import stream
from dasf_broker.transports.json_codec import read_json, write_json
from tests.conftest import MakeUser

GONE = 10**6  # the key of a topic that is not there

#: Generated documents are not small.
GENEROUS = {
    "DASF_MAX_QUERY_TOKENS": 5000,
    "DASF_MAX_QUERY_ALIASES": 500,
    "DASF_MAX_QUERY_DIRECTIVES": 500,
}

Value = dict[str, Any]

#: The scene is not changed by an example.
SHARED_FIXTURES = [HealthCheck.function_scoped_fixture]


# --- documents --------------------------------------------------------------------------------

MESSAGE = [
    "__typename",
    "id",
    "missed",
    "messageId",
    "messageType",
    "properties",
    "payload",
    "data",
    "text",
    "content",
    "context",
    "cursor",
    "publishTime",
    "isResponse",
    "responseTopic",
    "deliveredToAll",
    "acknowledged",
]
TOPIC = ["__typename", "id", "slug", "isPublic", "storeMessages", "availability{status}"]
RIGHTS = ["canChange", "canConsume", "canProduce"]

aliases = st.sampled_from(["", "a: ", "b: "])
directives = st.sampled_from(
    ["", "", " @include(if: $yes)", " @skip(if: $yes)", " @include(if: false)"]
)


def _fields(names: Sequence[str]) -> st.SearchStrategy[str]:
    # An alias of its own for each field, or two of them would stand in each other's way.
    return st.builds(
        lambda name, alias, directive: (
            f"{alias and alias[0] + name.split('{')[0] + ':'}{_with_directive(name, directive)}"
        ),
        st.sampled_from(names),
        aliases,
        directives,
    )


def _with_directive(field: str, directive: str) -> str:
    name, brace, rest = field.partition("{")
    return f"{name}{directive} {brace}{rest}"


def _selection(field: st.SearchStrategy[str], type_name: str) -> st.SearchStrategy[str]:
    plain = st.lists(field, min_size=1, max_size=4).map(" ".join)
    inline = st.builds("... on {} {} {{ {} }}".format, st.just(type_name), directives, plain)
    return st.lists(st.one_of(plain, inline), min_size=1, max_size=3).map(" ".join)


on_rights = st.lists(st.sampled_from(RIGHTS), min_size=1).map(
    lambda names: f"permissions {{ {' '.join(names)} }}"
)
on_topic = _selection(st.one_of(_fields(TOPIC), on_rights), "Topic")
in_message = st.one_of(
    _fields(MESSAGE),
    on_topic.map("topic {{ {} }}".format),
    on_topic.map("topic {{ ... on BrokerTopic {{ {} }} }}".format),
    st.just("user { username }"),
    st.just("deliveredTo { username }"),
)
documents = st.builds(
    'subscription ($yes: Boolean!) {{ {}messages(topic: "topic") {{ ...part {} }} }} '
    "fragment part on Message {{ used: missed @include(if: $yes) {} }}".format,
    aliases,
    _selection(in_message, "Message"),
    st.lists(_fields(MESSAGE), min_size=1, max_size=3).map(" ".join),
)


# --- what happens -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Scene:
    """A topic, and people who may do different things with it."""

    topic: BrokerTopic
    producer: User
    viewers: Sequence[User]


@pytest.fixture
def scene(make_user: MakeUser, topic: BrokerTopic) -> Scene:
    """Return a topic with a consumer, a manager, and a producer."""
    people = [
        make_user("reader", topic, Right.CONSUME),
        make_user("boss", topic, Right.CONSUME, Right.CHANGE),
    ]
    return Scene(topic, make_user("writer", topic, Right.PRODUCE), people)


@st.composite
def messages(draw: st.DrawFn) -> dict[str, Any]:
    """Return the parts of a message that may differ."""
    text = draw(st.one_of(st.text(max_size=20), st.just('{"a": [1, null]}')))
    return {
        "content": Envelope.compose(max_size=10**6, text=text).content,
        "message_id": draw(st.uuids(version=4)),
        "message_type": draw(st.sampled_from(MessageType)),
        "sequence": draw(st.one_of(st.none(), st.integers(1, 10**6))),
        "is_gone": draw(st.integers(0, 9)) == 0,
        "missed": draw(st.sampled_from([0, 0, 3])),
    }


@pytest.mark.django_db(transaction=True)
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(document=documents, yes=st.booleans(), sent=st.lists(messages(), min_size=1, max_size=3))
async def test_sharing_is_not_to_be_seen(
    scene: Scene, document: str, yes: bool, sent: list[dict[str, Any]]
) -> None:
    """Each subscriber gets what strawberry's own subscription says to them alone."""
    happened = [_received(scene, parts) for parts in sent]
    request = GraphQLRequest(document, {"yes": yes}, None)
    # Those of one user share, and those of several where nothing depends on who looks.
    viewers = [*scene.viewers, *scene.viewers]
    with override_settings(**GENEROUS), pytest.MonkeyPatch.context() as patch:
        patch.setattr(subscriptions, "messages", lambda *_, **__: _replay(happened))
        shared = [await _shared(request, viewer) for viewer in viewers]
        patch.setattr(subscriptions, "messages", lambda *_, **__: _replay(_copies(happened)))
        patch.setattr(schema, "execution_context_class", StrawberryGraphQLCoreExecutionContext)
        alone = [await _alone(request, viewer) for viewer in viewers]
    event(f"errors: {'errors' in alone[0][0]}")
    event(f"viewers differ: {alone[0] != alone[1]}")
    assert shared == alone


def _received(scene: Scene, parts: dict[str, Any]) -> Delivery:
    is_gone, missed = parts["is_gone"], parts["missed"]
    message_id: UUID = parts["message_id"]
    message = MessagePublished(
        topic_id=GONE if is_gone else scene.topic.pk,
        topic_slug="topic",
        sequence=parts["sequence"],
        message_id=message_id,
        message_type=parts["message_type"],
        content=parts["content"],
        user_id=str(scene.producer.pk),
        publish_time=datetime(2026, 1, 1, tzinfo=UTC),
        is_response=False,
    )
    return Delivery(message, missed)


def _copies(happened: Sequence[Delivery]) -> list[Delivery]:
    return [Delivery(each.message, each.missed) for each in happened]


async def _replay(happened: Sequence[Delivery]) -> AsyncIterator[Delivery]:
    for each in happened:
        yield each


async def _shared(request: GraphQLRequest, viewer: User) -> list[Any]:
    results = stream(schema, request, Context(Caller(viewer)), ResultSlots(1))
    async with aclosing(results):  # type: ignore[type-var]
        return [json.loads(text) async for _, text in results]


async def _alone(request: GraphQLRequest, viewer: User) -> list[Any]:
    results: Any = await schema.subscribe(
        request.query, request.variables, context_value=Context(Caller(viewer))
    )
    assert hasattr(results, "__aiter__"), results.errors
    return [read_json(write_json(_body(result))) async for result in results]


def _body(result: Any) -> Value:
    body: Value = {"data": result.data}
    if result.errors:
        body["errors"] = format_errors(result.errors)
    return body
