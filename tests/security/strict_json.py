"""Messages that are no JSON for some parsers, and all that the broker says of them, as it is sent.

The parsers differ in what they refuse: infinity, half a surrogate pair, NUL, long numbers and deep
nesting.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable, Coroutine, Sequence
from typing import Any
from uuid import uuid4

from django.contrib.auth.models import User
from django.test import AsyncClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dasf_broker import database
from dasf_broker.models import BrokerTopic
from dasf_broker.runtime import current
from testproject.asgi import application
from tests.doors.clients import key_of
from tests.doors.dasf.frames import to
from tests.doors.event_streams import EventStream
from tests.doors.sockets import Socket, connect
from tests.doors.waiting import until
from tests.unit.strategies import JSON

Parse = Callable[[str], Any]

#: JSON texts that every parser reads.
FINE = ["1e308", "-0", "1e-400", "0.1", str(2**64), "9" * 308, '"\\ud83d\\ude00"', '"\\\\u0000"']
FINE += ['"\\\\ud800"', '"\\\\\\\\u0000"', "[" * 400 + "]" * 400, '{"a":{"a":{}}}', '"\\u0001"']

#: Texts that are no JSON for at least one of them.
POISON = ["1e999", "-1e999", "[1E+400]", "NaN", "-Infinity", '{"a":Infinity}', "1" * 400]
POISON += ['"\\ud800"', '"\\uDC00\\uD800"', '{"\\ud800":1}', '"\\u0000"', '{"a\\u0000":1}']
POISON += ['"\\\\\\u0000"', "[" * 990 + "]" * 990, "\ufeff1", "'a'", "[1,]", '"\t"', "1" * 5000]

#: The same as values of a client.
ODD = ["\ud800", "a\udfff\0", "\0", "\U0001f600", float("inf"), float("nan"), 10**400, 2**64, -0.0]
ODD += [["\ud800"], {"\0": 1}, {"a": float("-inf")}, None, True, [[]], "\u2028</script>"]

#: Sources of JSON that are mostly wrong in one place.
SOURCES: st.SearchStrategy[str] = st.recursive(
    st.sampled_from(FINE + POISON) | JSON.map(json.dumps),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda items: f"[{','.join(items)}]"),
        inner.map(lambda item: f'{{"a": {item}}}'),
    ),
    max_leaves=4,
)
BODIES: st.SearchStrategy[bytes] = SOURCES.map(str.encode) | st.binary(max_size=20)
VALUES: st.SearchStrategy[Any] = st.sampled_from(ODD) | JSON

_FIELDS = "data text payload content properties context responseTopic messageId cursor"
_MESSAGES = f"""
query ($topic: String!) {{ messages(topic: $topic) {{ edges {{ cursor node {{ {_FIELDS} }} }} }} }}
"""
_SUBSCRIPTION = f"""
subscription ($topic: String!) {{
  messages(topic: $topic, start: EARLIEST) {{ {_FIELDS} topic {{ slug apiInfo }} }}
}}
"""
_PUBLISH = f"""
mutation ($x: [PublishMessageInput!]!) {{
  publishMessages(inputs: $x) {{ results {{ error {{ code message }} message {{ {_FIELDS} }} }} }}
}}
"""


class Recorder:
    """The ASGI application, and each JSON text that it sends."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Do what the application does."""
        body = bytearray()

        async def record(event: Any) -> None:
            if event["type"] == "websocket.send":
                self.texts.append(event["text"])
            elif event["type"] == "http.response.body":
                body.extend(event.get("body", b""))
            await send(event)

        await application(scope, receive, record)
        if scope["type"] == "http":
            self.note(body.decode())

    def note(self, body: str) -> None:
        """Note the body of an answer: one text, or events."""
        events = [line.removeprefix("data:") for line in body.splitlines() if "data:" in line[:5]]
        is_stream = body.startswith(":")
        self.texts += [each for each in events if each.strip()] if is_stream else [body]


def check_results(user: User, parse: Parse, *, examples: int) -> None:
    """Publish all kinds of messages through all doors, and parse all that comes of them."""

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.lists(BODIES, max_size=6), st.lists(VALUES, max_size=6))
    def check(bodies: list[bytes], values: list[Any]) -> None:
        for text in asyncio.run(_alone(results(user, bodies, values))):
            parse(text)

    for text in asyncio.run(_alone(results(user, [each.encode() for each in FINE + POISON], ODD))):
        parse(text)
    check()


async def results(user: User, bodies: Sequence[bytes], values: Sequence[Any]) -> list[str]:
    """Return all texts that clients of all doors get of messages and of requests."""
    topic = await database.write(_new_topic)
    recorder, key = Recorder(), await key_of(user)
    await _publish_by_dasf(recorder, topic, user, bodies, values)
    await _post(recorder, key, _PUBLISH, {"x": _inputs(topic, bodies, values)})
    await _post(recorder, key, _MESSAGES, {"topic": topic.slug})
    for value in values:
        await _post(recorder, key, _MESSAGES, {"topic": value})
        await _post(recorder, key, _PUBLISH, {"x": value})
    count = await database.read(topic.brokermessage_set.count)
    if count:
        await _receive(recorder, topic, user, key, count)
    return recorder.texts


def _new_topic() -> BrokerTopic:
    slug = f"strict-{uuid4().hex}"
    topic: BrokerTopic = BrokerTopic.objects.create(slug=slug, store_messages="store")
    return topic


def _inputs(topic: BrokerTopic, bodies: Sequence[bytes], values: Sequence[Any]) -> list[Any]:
    payloads = [base64.b64encode(body).decode() for body in bodies]
    return [
        *({"topic": topic.slug, "payload": each} for each in payloads),
        *({"topic": topic.slug, "data": each} for each in values),
        *({"topic": topic.slug, "properties": {"own": each}} for each in values),
        *({"topic": topic.slug, "text": each} for each in values if isinstance(each, str)),
        *({"topic": each} for each in values if isinstance(each, str)),
    ]


async def _publish_by_dasf(
    recorder: Recorder,
    topic: BrokerTopic,
    user: User,
    bodies: Sequence[bytes],
    values: Sequence[Any],
) -> None:
    frames: list[dict[str, Any]] = [{"payload": base64.b64encode(body).decode()} for body in bodies]
    for value in values:
        frames += [{"messageId": value}, {"context": value}, {"properties": {"own": value}}]
        frames += [{"properties": {"response_topic": value}}, {"payload": value}]
    async with connect(recorder, **await to(topic.slug, user)) as socket:
        for frame in frames:
            await socket.send(frame)
            await socket.receive()
    async with connect(recorder, **await to("status-ping", user)) as socket:
        for value in values:
            described = {"source_topic": topic.slug, "api_info": json.dumps(value)}
            await socket.send({"properties": described, "context": value})
            await socket.receive()


async def _post(recorder: Recorder, key: str, query: str, variables: dict[str, Any]) -> None:
    """Send an operation through each of the doors."""
    request = {"query": query, "variables": variables}
    headers = {"authorization": f"Bearer {key}"}
    response = await AsyncClient().post(
        "/graphql/", json.dumps(request), content_type="application/json", headers=headers
    )
    recorder.note(response.content.decode())
    for accept in ("application/json", "text/event-stream"):
        answer = EventStream(recorder, query, variables, headers={**headers, "accept": accept})
        await answer.open()
        await answer.ended()
    async with connect(recorder) as socket:
        await socket.initialise({"Authorization": f"Bearer {key}"})
        await socket.subscribe(query, variables, id_="\U0001f600")
        while (await socket.receive())["type"] == "next":
            pass  # `complete` or `error` is the end


async def _receive(
    recorder: Recorder, topic: BrokerTopic, user: User, key: str, count: int
) -> None:
    """Receive all messages through each of the doors, whatever they hold."""
    variables = {"topic": topic.slug}
    async with connect(recorder) as socket:
        await socket.initialise({"Authorization": f"Bearer {key}"})
        await socket.subscribe(_SUBSCRIPTION, variables)
        for _ in range(count):
            await socket.next()
    headers = {"authorization": f"Bearer {key}"}
    stream = await EventStream(recorder, _SUBSCRIPTION, variables, headers=headers).open()
    for _ in range(count):
        await stream.value()
    await stream.close()
    async with connect(recorder, **await to(f"{topic.slug}/me", user)) as module:
        await _ids(module, count)


async def _ids(module: Socket, count: int) -> None:
    for _ in range(count):
        assert "messageId" in await module.receive()


async def _alone(running: Coroutine[Any, Any, list[str]]) -> list[str]:
    """Run something, and see that no task is left when what lives as long as the loop is gone."""
    before = asyncio.all_tasks()
    try:
        return await running
    finally:
        await current().close_hub()
        await current().close_writer()
        await until(lambda: asyncio.all_tasks() == before)
