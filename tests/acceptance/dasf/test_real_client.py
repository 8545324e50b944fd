"""What people do with ``demessaging``, unmodified, and what GraphQL clients see of it."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Callable
from datetime import datetime
from typing import Any

import pytest
from deprogressapi import BaseReport

from tests.acceptance.clients import graphql_socket, http_client
from tests.acceptance.dasf.conftest import DEADLINE, Broker, Client

pytestmark = pytest.mark.usefixtures("module")

Connect = Callable[..., Client]

MESSAGES = """
subscription ($topic: String!, $start: StartPosition!) {
  messages(topic: $topic, start: $start) { messageType text data payload properties }
}
"""
IGNORED = """
mutation ($data: JSON!) {
  publishMessage(input: { topic: "module", data: $data }) { warning message { messageId } }
}
"""
OUTSTANDING = """
{ topic(slug: "module") { outstandingMessages(last: 50) { edges { node { messageId } } } } }
"""
AVAILABILITY = 'subscription { availability(topic: "module") { isOnline lastPong } }'
REQUEST = """
mutation ($answers: String!, $data: JSON!) {
  publishMessage(input: {
    topic: "module", data: $data, messageType: REQUEST, responseTopic: $answers
  }) { status responseTopic }
}
"""


def test_function_call(connect: Connect) -> None:
    """Functions of the module are called and their results come back, one after the other."""
    client = connect("client")
    assert [client.call("add", a=number, b=2) for number in range(5)] == [2, 3, 4, 5, 6]


def test_many_at_once(connect: Connect) -> None:
    """Each of many requests in flight gets its own answer."""
    client = connect("client")
    asked = [client.begin({"func_name": "add", "a": number, "b": 0}) for number in range(30)]
    assert [json.loads(each.result(DEADLINE)["msg"]) for each in asked] == [*range(30)]


def test_function_that_raises(connect: Connect) -> None:
    """The client learns what went wrong in the module, and the module goes on."""
    client = connect("client")
    answer = client.ask({"func_name": "fail"})
    assert answer["status"] == "error"
    assert "broken on purpose" in answer["error"]
    assert client.call("add", a=1, b=1) == 2


def test_progress(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports come before the result."""
    shown: list[int] = []
    monkeypatch.setattr(BaseReport, "show", lambda self: shown.append(len(self.children)))
    assert connect("client").call("count", steps=3) == 3
    assert shown == [1, 2, 3]


def test_large_result(connect: Connect) -> None:
    """A result above 500 kB comes in fragments, complete and in order."""
    client = connect("client")
    one = client.ask({"func_name": "big", "size": 1_000_000})
    parts = [one["msg"], *(client.next_answer()["msg"] for _ in range(2))]
    assert json.loads("".join(parts)) == "x" * 1_000_000


@pytest.mark.parametrize("kind", ["info", "api_info"])
def test_description(connect: Connect, kind: str) -> None:
    """The module describes itself and its functions."""
    answer = connect("client").ask(messageType=kind)
    assert answer["status"] == "success"
    assert "add" in answer["msg"]


def test_ping(connect: Connect) -> None:
    """A ping is answered by the module; the client takes what is no response for an error."""
    answer = connect("client").ask(messageType="ping")
    assert answer["msg"]["properties"]["messageType"] == "pong"
    assert answer["msg"]["properties"]["source_topic"] == "module"


async def test_status(broker: Broker) -> None:
    """A ping by GraphQL finds the module online: it acknowledges and answers."""
    async with (
        graphql_socket(broker.server, broker.keys["client"]) as socket,
        http_client(broker.server, broker.keys["client"]) as http,
    ):
        pinged = await http.execute('mutation { pingTopic(topic: "module") { pingedAt } }')
        changes = socket.subscribe(AVAILABILITY)
        async with asyncio.timeout(DEADLINE):
            while not is_answer(await anext(changes), pinged["pingedAt"]):
                pass
        await changes.aclose()


def test_several_modules(broker: Broker, connect: Connect) -> None:
    """Two modules on one topic both get each request."""
    with broker.module("shared") as one, broker.module("shared") as two:
        client, deadline = connect("client", "shared"), time.monotonic() + DEADLINE
        seen: set[int] = set()
        while seen != {one.pid, two.pid}:
            seen.add(client.call("who"))
            assert time.monotonic() < deadline, seen
        answers = {client.call("who"), int(client.next_answer()["msg"])}
        assert answers == {one.pid, two.pid}


def test_module_is_started_again(broker: Broker, connect: Connect) -> None:
    """Requests wait for a module that is not there, and are answered when it comes."""
    client = connect("client", "restarted")
    with broker.module("restarted") as first:
        assert client.call("who") == first.pid
    waiting = [client.begin({"func_name": "add", "a": number, "b": 1}) for number in range(3)]
    assert not any(each.done() for each in waiting)
    with broker.module("restarted"):
        assert [json.loads(each.result(DEADLINE)["msg"]) for each in waiting] == [1, 2, 3]


@pytest.mark.parametrize(
    ("name", "topic"),
    [("other", "module"), ("nobody", "module"), ("module", "module"), ("client", "nowhere")],
    ids=["no right", "wrong token", "consumer", "no topic"],
)
def test_refused(connect: Connect, name: str, topic: str) -> None:
    """Who may not publish gets an error at once, again and again, and does not hang."""
    client = connect(name, topic)
    for _ in range(2):
        answer = client.ask({"func_name": "add", "a": 1, "b": 1})
        assert (answer["status"], answer["error"]) == ("error", "error sending the request")
        assert "error" in answer["msg"]["result"]


async def test_graphql_sees_the_same(broker: Broker, connect: Connect) -> None:
    """Request and answer of the real client reach GraphQL subscribers."""
    client = connect("client")
    assert client.call("add", a=1, b=1) == 2  # now the response topic exists
    async with (
        graphql_socket(broker.server, broker.keys["client"]) as asking,
        graphql_socket(broker.server, broker.keys["module"]) as answering,
    ):
        answers = asking.subscribe(MESSAGES, topic=client.producer.response_topic, start="NEW")
        requests = answering.subscribe(MESSAGES, topic="module", start="NEW")
        reading = [asyncio.create_task(first(stream)) for stream in (requests, answers)]
        while not all(each.done() for each in reading):  # they hear what comes once they listen
            await asyncio.to_thread(client.call, "add", a=20, b=3)
        request, answer = [each.result() for each in reading]
        assert request["data"] == {"func_name": "add", "a": 20, "b": 3}
        assert request["properties"]["response_topic"] == client.producer.response_topic
        assert (answer["messageType"], answer["data"]) == ("RESPONSE", 23)
        await answers.aclose()
        await requests.aclose()


async def test_graphql_asks_the_module(broker: Broker) -> None:
    """A request published by GraphQL is answered by the module, on a GraphQL subscription."""
    async with graphql_socket(broker.server, broker.keys["client"]) as socket:
        data = {"func_name": "add", "a": 2, "b": 40}
        published = await socket.execute(REQUEST, answers="module_graphql", data=data)
        assert published == {"status": "STORED", "responseTopic": "module_graphql"}
        stream = socket.subscribe(MESSAGES, topic="module_graphql", start="OUTSTANDING")
        answer = await first(stream)
        assert (answer["messageType"], answer["data"]) == ("RESPONSE", 42)
        assert answer["properties"]["source_topic"] == "module"
        await stream.aclose()


async def test_request_that_the_module_ignores(broker: Broker, connect: Connect) -> None:
    """Without a topic for the answer it is never acknowledged, and its producer is told."""
    client = connect("client")
    async with (
        graphql_socket(broker.server, broker.keys["client"]) as producer,
        graphql_socket(broker.server, broker.keys["module"]) as consumer,
    ):
        data = {"func_name": "add", "a": 1, "b": 1}
        async with asyncio.timeout(DEADLINE):
            while (done := await producer.execute(IGNORED, data=data))["warning"] is None:
                await asyncio.to_thread(client.ask, messageType="ping")  # it connects, and answers
        assert await asyncio.to_thread(client.call, "add", a=1, b=1) == 2
        waiting = await consumer.execute(OUTSTANDING)
        nodes = [edge["node"] for edge in waiting["outstandingMessages"]["edges"]]
        assert done["message"] in nodes


async def first(stream: AsyncGenerator[Any, None]) -> Any:
    """Return the first value of a subscription."""
    async with asyncio.timeout(DEADLINE):
        return await anext(stream)


def is_answer(availability: dict[str, Any], pinged_at: str) -> bool:
    """Tell whether the topic is online because the ping was answered."""
    ponged_at = availability["lastPong"]
    if not availability["isOnline"] or ponged_at is None:
        return False
    return datetime.fromisoformat(ponged_at) >= datetime.fromisoformat(pinged_at)
