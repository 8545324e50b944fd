"""Every operation on a topic, as somebody tries it, and in a word what they were answered."""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, TypeAlias
from uuid import UUID

from django.test import AsyncClient

from dasf_broker import database
from dasf_broker.models import BrokerTopic
from dasf_broker.operations.caller import Caller
from dasf_broker.operations.heartbeat import ping_topic, pong
from dasf_broker.runtime import current
from testproject.asgi import application
from tests.doors.clients import DoorClient
from tests.doors.dasf.frames import ask, message
from tests.doors.sockets import Socket, connect
from tests.doors.waiting import until

MESSAGE_ID = UUID("00000000-0000-4000-8000-000000000000")

#: Seconds in which a message comes that may come.
PATIENCE = 0.5


@dataclass(frozen=True, slots=True)
class Place:
    """What an attempt is made on, and with which token."""

    topic: BrokerTopic
    consumer: Caller
    key: str | None
    patience: float = PATIENCE

    @property
    def variables(self) -> dict[str, Any]:
        """What documents may ask for."""
        return {
            "t": self.topic.slug,
            "m": str(MESSAGE_ID),
            "node": _global_id("BrokerTopic", str(self.topic.pk)),
            "messageNode": _global_id("Message", f"{self.topic.pk}:{MESSAGE_ID}"),
        }


#: Tries something; returns "ok", "none" where nothing is shown, or what stands for an error.
Attempt: TypeAlias = Callable[[Place], Awaitable[str]]

_CODES = {"NOT_FOUND": "404", "FORBIDDEN": "403"}
_TO = "(topic: $t, messageId: $m)"
_RIGHT = '(topic: $t, permission: DELETE, username: "somebody")'
_EDGES = "{ edges { cursor } }"

#: Documents by the name of their row. `$t` is the slug, `$m` the id of a stored message.
DOCUMENTS = {
    "topic": "{ topic(slug: $t) { slug } }",
    "topics": "{ topics(filter: {slugIn: [$t]}) { edges { cursor } } }",
    "node": "{ node(id: $node) { id } }",
    "message": f"{{ message{_TO} {{ messageId }} }}",
    "messages": f"{{ messages(topic: $t) {_EDGES} }}",
    "node of message": "{ node(id: $messageNode) { id } }",
    "messages of topic": f"{{ topic(slug: $t) {{ messages {_EDGES} }} }}",
    "people of topic": "{ topic(slug: $t) { consumers { username } } }",
    "publishMessage": 'mutation { publishMessage(input: {topic: $t, text: "a"}) { status } }',
    "publishMessages": "mutation { publishMessages(inputs: [{topic: $t}]) "
    "{ results { status error { code } } } }",
    "acknowledgeMessage": f"mutation {{ acknowledgeMessage{_TO} {{ status }} }}",
    "acknowledgeMessages": "mutation { acknowledgeMessages(topic: $t, messageIds: [$m]) "
    "{ acknowledged } }",
    "pingTopic": "mutation { pingTopic(topic: $t) { pingedAt } }",
    "pongTopic": "mutation { pongTopic(topic: $t) { pongedAt } }",
    "createTopic": 'mutation { createTopic(input: {slug: "new"}) { topic { slug } } }',
    "updateTopic": "mutation { updateTopic(input: {topic: $t, supportsDasf: true}) "
    "{ topic { slug } } }",
    "deleteTopic": "mutation { deleteTopic(topic: $t) { slug } }",
    "grantPermission": f"mutation {{ grantPermission{_RIGHT} {{ topic {{ slug }} }} }}",
    "revokePermission": f"mutation {{ revokePermission{_RIGHT} {{ topic {{ slug }} }} }}",
}

SUBSCRIPTIONS = {
    "sub messages": "messages(topic: $t) { messageId }",
    "sub pings": "pings(topic: $t) { pingedAt }",
    "sub pongs": "pongs(topic: $t) { pongedAt }",
    "sub availability": "availability(topic: $t) { status }",
}

_TYPES = {"t": "String!", "m": "UUID!", "node": "ID!", "messageNode": "ID!"}


async def execute(row: str, place: Place) -> str:
    """Execute a query or a mutation over HTTP."""
    answer = await DoorClient().send(request_of(DOCUMENTS[row], place), place.key)
    if answer["errors"]:
        return _word(answer["errors"])
    assert answer["data"] is not None
    [value] = answer["data"].values()
    return _shown(value)


async def subscribe(row: str, place: Place) -> str:
    """Subscribe over a websocket, and see to it that there is something to hear."""
    request = request_of(f"subscription {{ {SUBSCRIPTIONS[row]} }}", place)
    async with connect(application) as socket:
        await socket.initialise(_authorization(place, "Bearer"))
        await socket.send({"type": "subscribe", "id": "1", "payload": request})
        await until(lambda: _is_answered(socket) or _is_heard(place.topic))
        if not _is_answered(socket):
            await database.write(_beat, place)
        frame = await socket.receive()
    if frame["type"] == "error":
        return _word(frame["payload"])
    assert "errors" not in frame["payload"], frame
    return "ok"


async def produce(place: Place) -> str:
    """Publish on a DASF socket."""
    return _result(await _asked(place.topic.slug, message(), place))


async def answer_ping(place: Place) -> str:
    """Answer a ping on the DASF socket for that."""
    return _result(await _asked("status-ping", _from_module(place), place))


async def describe(place: Place) -> str:
    """Describe the module behind the topic."""
    return _result(await _asked("status-ping", _from_module(place, api_info="{}"), place))


async def acknowledge(place: Place) -> str:
    """Acknowledge on a DASF socket, where only refusals are answered."""
    async with _dasf(f"{place.topic.slug}/me", place) as socket:
        await socket.send({"messageId": str(MESSAGE_ID)})
        await socket.send({"messageId": "the last"})  # always refused, and in its turn
        while "result" not in (frame := await socket.receive()):
            pass
    return "ok" if frame["messageId"] == "the last" else _result(frame)


async def receive(place: Place) -> str:
    """Wait for the stored message on a DASF socket."""
    async with _dasf(f"{place.topic.slug}/me", place) as socket:
        try:
            async with asyncio.timeout(place.patience):
                frame = await socket.receive()
        except TimeoutError:
            return "none"
        assert frame["messageId"] == str(MESSAGE_ID)
    return "ok"


async def open_page(page: str, place: Place) -> str:
    """Open a page about the topic."""
    headers = _authorization(place, "Bearer")
    answer = await AsyncClient().get(f"/{place.topic.slug}/{page}/", headers=headers)
    # The last is that of a topic of which nobody knows yet whether it is online.
    fine = {HTTPStatus.OK, HTTPStatus.FOUND, HTTPStatus.SERVICE_UNAVAILABLE}
    return "ok" if answer.status_code in fine else str(answer.status_code)


def _by_row(run: Any, row: str) -> Attempt:
    return lambda place: run(row, place)


#: Every attempt by the name of its row.
ATTEMPTS: dict[str, Attempt] = {
    **{row: _by_row(execute, row) for row in DOCUMENTS},
    **{row: _by_row(subscribe, row) for row in SUBSCRIPTIONS},
    "dasf produce": produce,
    "dasf acknowledge": acknowledge,
    "dasf pong": answer_ping,
    "dasf describe": describe,
    "dasf deliver": receive,
    "page status": _by_row(open_page, "status"),
    "page ping": _by_row(open_page, "ping"),
}


def request_of(document: str, place: Place) -> dict[str, Any]:
    """Return a document with its name and variables, as a client sends it."""
    keyword, brace, body = document.partition("{")
    used = [name for name in _TYPES if re.search(rf"\${name}\b", body)]
    declared = ", ".join(f"${name}: {_TYPES[name]}" for name in used)
    head = f"{keyword.strip() or 'query'} ({declared})" if declared else keyword
    variables = {name: place.variables[name] for name in used}
    return {"query": f"{head} {brace}{body}", "variables": variables}


def _word(errors: list[dict[str, Any]]) -> str:
    [error] = errors
    return _code(error["extensions"])


def _code(error: dict[str, Any]) -> str:
    code = str(error["code"])
    return _CODES.get(code, code)


def _shown(value: Any) -> str:
    """Return whether anything is shown, looking into lists and results."""
    match value:
        case None | []:
            return "none"
        case {"edges": inner} | {"messages": inner} | {"consumers": inner}:
            return _shown(inner)
        case {"results": [{"error": {"code": _} as error}]}:
            return _code(error)
        case _:
            return "ok"


def _result(frame: dict[str, Any]) -> str:
    text = frame["result"]
    if text.startswith("error: There is no topic"):
        return "404"
    return "403" if text.startswith("error:") and " may not " in text else str(text)


async def _asked(path: str, frame: Any, place: Place) -> dict[str, Any]:
    async with _dasf(path, place) as socket:
        return await ask(socket, frame)


def _dasf(path: str, place: Place) -> Any:
    headers = {name.lower(): text for name, text in (_authorization(place, "Token") or {}).items()}
    return connect(application, path=f"/ws/{path}", subprotocols=(), headers=headers)


def _from_module(place: Place, **properties: str) -> dict[str, Any]:
    said = {"messageType": "pong", "source_topic": place.topic.slug, **properties}
    return {"properties": said, "context": "1", "payload": ""}


def _authorization(place: Place, scheme: str) -> dict[str, str] | None:
    return {"Authorization": f"{scheme} {place.key}"} if place.key else None


def _is_answered(socket: Socket) -> bool:
    return not socket._from_server.empty()


def _is_heard(topic: BrokerTopic) -> bool:
    room = current().hub.subscribers(topic.pk)
    return room is not None and any(each._waiter is not None for each in room.mailboxes)


def _beat(place: Place) -> None:
    ping_topic(place.topic)
    pong(place.consumer, place.topic.slug)


def _global_id(kind: str, key: str) -> str:
    return base64.b64encode(f"{kind}:{key}".encode()).decode()
