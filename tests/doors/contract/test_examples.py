"""The executable examples do what their comments say, at each door."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from graphql import parse, validate

from dasf_broker import database
from dasf_broker.models import BrokerTopic
from dasf_broker.permissions import Right
from dasf_broker.schema import schema
from tests.conftest import MakeUser
from tests.doors.clients import GraphQLClient, HttpClient
from tests.doors.conftest import OpenSocket, Publish
from tests.doors.waiting import until_heard

pytestmark = pytest.mark.django_db(transaction=True)

FOLDER = Path(__file__).parents[3] / "examples" / "graphql"
EXAMPLES = {path.stem: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.graphql")}

#: What the answer of each query and mutation says, by its place there.
ANSWERS: dict[str, dict[str, Any]] = {
    "02-publish": {"publishMessage.status": "STORED"},
    "03-topics": {
        "topics.edges.0.node.slug": "topic",
        "topics.edges.0.node.permissions": {"canProduce": True, "canConsume": True},
    },
    "04-outstanding": {
        "topic.outstandingCount": 1,
        "topic.outstandingMessages.edges.0.node.text": "hello",
    },
    "05-acknowledge": {
        "acknowledgeMessages.acknowledged": 1,
        "acknowledgeMessages.results.0.status": "ACKNOWLEDGED",
    },
    "06-ping": {"pingTopic.topic.slug": "topic"},
    "09-pong": {"pongTopic.roundTripTime": None},  # nobody pinged
    "11-publish-many": {
        "publishMessages.results.0.status": "STORED",
        "publishMessages.results.1.status": "STORED",
    },
    "12-create-topic": {"grantPermission.topic.consumers.0.username": "stranger"},
}

#: What has each subscription bring something, and what that says.
EVENTS: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {
    "01-watch-messages": (("02-publish",), {"messages.data": {"hello": "world"}}),
    "07-watch-pongs": (
        ("06-ping", "09-pong"),
        {"pongs.availability.status": "ONLINE", "pongs.user.username": "worker"},
    ),
    "08-watch-pings": (("06-ping",), {}),
    "10-watch-availability": ((), {"availability.status": "UNKNOWN"}),
}


@pytest.fixture
def worker(make_user: MakeUser, topic: BrokerTopic, stranger: User) -> User:
    """Return somebody with the rights that the examples name."""
    user = make_user("worker", topic, Right.PRODUCE, Right.CONSUME)
    user.user_permissions.add(Permission.objects.get(codename="add_brokertopic"))
    return user


def test_all_are_here() -> None:
    """Each example is tried below."""
    assert EXAMPLES.keys() == ANSWERS.keys() | EVENTS.keys()


@pytest.mark.parametrize("name", EXAMPLES)
def test_form(name: str) -> None:
    """An example is valid, has one operation, and begins with a comment that explains it."""
    text = EXAMPLES[name]
    document = parse(text)
    assert validate(schema._schema, document) == []
    assert len(document.definitions) == 1
    assert re.match(r"# [A-Z][^\n]+", text)


@pytest.mark.parametrize("name", ANSWERS)
async def test_answer(
    name: str, client: GraphQLClient, worker: User, topic: BrokerTopic, publish_text: Publish
) -> None:
    """Queries and mutations are answered."""
    published = await database.write(publish_text, worker, topic)
    variables = variables_of(name, str(published.message.message_id))
    answer = await client.execute(EXAMPLES[name], variables, as_=worker)
    assert not answer["errors"], answer
    check(answer["data"], ANSWERS[name])


@pytest.mark.parametrize("name", EVENTS)
async def test_event(name: str, enter: OpenSocket, worker: User, topic: BrokerTopic) -> None:
    """Subscriptions bring what happens."""
    causes, expected = EVENTS[name]
    socket = await enter(worker)
    await socket.subscribe(EXAMPLES[name], variables_of(name))
    if causes:
        await until_heard(topic)
    for cause in causes:
        done = await HttpClient().execute(EXAMPLES[cause], variables_of(cause), as_=worker)
        assert not done["errors"], done
    result = await socket.next()
    assert "errors" not in result, result
    check(result["data"], expected)


def variables_of(name: str, message_id: str = "") -> dict[str, Any]:
    """Return the variables that the example names, with what is really there."""
    found = re.search(r"^# Variables: (.*)$", EXAMPLES[name], re.MULTILINE)
    text = found[1] if found else "{}"
    text = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", message_id, text)
    named = text.replace('"demo"', '"topic"').replace('"somebody"', '"stranger"')
    variables: dict[str, Any] = json.loads(named)
    return variables


def check(data: Any, expected: dict[str, Any]) -> None:
    """Compare what is at some places of a result."""
    for path, value in expected.items():
        found = data
        for step in path.split("."):
            found = found[int(step) if step.isdigit() else step]
        assert found == value, (path, data)
