"""How the tests speak the DASF protocol."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

from django.contrib.auth.models import User
from django.db.backends.utils import CursorWrapper

from dasf_broker import database
from dasf_broker.models import BrokerTopic
from tests.doors.clients import key_of
from tests.doors.sockets import DEADLINE, Socket


async def to(path: str, user: User | None = None, **headers: str) -> dict[str, Any]:
    """Return how to open the socket at a path under the route, as a user or as nobody."""
    if user is not None:
        headers["authorization"] = f"Token {await key_of(user)}"
    return {"path": f"/ws/{path}", "subprotocols": (), "headers": headers}


def message(text: str = "hello", **parts: Any) -> dict[str, Any]:
    """Return a message as producers send it, with an id unless ``parts`` give one."""
    payload = base64.b64encode(text.encode()).decode()
    return {"messageId": str(uuid4()), "properties": {}, "payload": payload, **parts}


async def ask(socket: Socket, frame: Any) -> dict[str, Any]:
    """Send a frame and return the answer."""
    await socket.send(frame)
    return await socket.receive()


async def publish(socket: Socket, *texts: str, kind: str | None = None) -> list[str]:
    """Publish messages that must be taken; return their ids."""
    properties = {"messageType": kind} if kind else {}
    sent = [message(text, properties=properties) for text in texts]
    for each in sent:
        assert (await ask(socket, each))["result"] == "ok"
    return [each["messageId"] for each in sent]


async def texts(socket: Socket, count: int) -> list[str]:
    """Return the texts of the next messages."""
    frames = [await socket.receive() for _ in range(count)]
    return [base64.b64decode(frame["payload"]).decode() for frame in frames]


async def acknowledge(socket: Socket, message_id: str) -> None:
    """Acknowledge a message."""
    await socket.send({"messageId": message_id})


async def until_true(condition: Callable[[], Any]) -> None:
    """Wait until something holds in the database."""
    async with asyncio.timeout(DEADLINE):
        while not await database.read(condition):  # noqa: ASYNC110 - rows ring no bell
            await asyncio.sleep(0.01)


def fresh(topic: BrokerTopic) -> BrokerTopic:
    """Return the topic as it is in the database now."""
    found: BrokerTopic = BrokerTopic.objects.get(pk=topic.pk)
    return found


def is_error(result: dict[str, Any]) -> bool:
    """Tell whether the reference client takes the result for a failure."""
    return "error" in result["result"]


@contextmanager
def queries_of_all_threads() -> Iterator[list[str]]:
    """Yield the list of all SQL that is executed, in whichever thread."""
    seen: list[str] = []
    original = CursorWrapper._execute_with_wrappers  # type: ignore[attr-defined]

    def note(self: Any, sql: Any, params: Any, many: Any, executor: Any) -> Any:
        seen.append(str(sql))
        return original(self, sql, params, many, executor)

    CursorWrapper._execute_with_wrappers = note  # type: ignore[attr-defined]
    try:
        yield seen
    finally:
        CursorWrapper._execute_with_wrappers = original  # type: ignore[attr-defined]
