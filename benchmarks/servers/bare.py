"""The yardstick: a broadcast with nothing around it, as an ASGI application.

Each posted body is sent to every socket unchanged, through one bounded queue and one writing task
for each socket. A POST to ``/answer`` is read and answered as JSON, like a publish that stores
nothing.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

_JSON = [(b"content-type", b"application/json")]


class Queue:
    """What waits for one socket."""

    def __init__(self) -> None:
        self.texts: deque[str] = deque(maxlen=1000)
        self.waiter: asyncio.Future[None] | None = None

    def put(self, text: str) -> None:
        """Add a text; wake the writer."""
        self.texts.append(text)
        if self.waiter is not None and not self.waiter.done():
            self.waiter.set_result(None)

    async def write_all(self, send: Send) -> None:
        """Send what comes, for ever."""
        while True:
            while self.texts:
                await send({"type": "websocket.send", "text": self.texts.popleft()})
            self.waiter = asyncio.get_running_loop().create_future()
            await self.waiter


queues: set[Queue] = set()


async def application(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """Serve one request or socket."""
    match scope["type"]:
        case "lifespan":
            await live(receive, send)
        case "http":
            await _answer(scope, receive, send)
        case "websocket":
            await _serve(receive, send)


async def live(receive: Receive, send: Send) -> None:
    """Answer the lifespan protocol."""
    for _ in range(2):
        await send({"type": f"{(await receive())['type']}.complete"})


async def _answer(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    body, is_more = b"", True
    while is_more:
        message = await receive()
        body += message.get("body", b"")
        is_more = message.get("more_body", False)
    answer = b"{}"
    if scope["path"] == "/answer":
        variables = json.loads(body)["variables"]
        message = {"messageId": variables["id"], "cursor": "WzEsIDFd"}
        published = {"status": "STORED", "message": message}
        answer = json.dumps({"data": {"publishMessage": published}}).encode()
    else:
        text = body.decode()
        for queue in queues:
            queue.put(text)
    headers = [*_JSON, (b"content-length", str(len(answer)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": answer})


async def _serve(receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "websocket.accept", "subprotocol": "graphql-transport-ws"})
    queue, writer = Queue(), None
    try:
        while (message := await receive())["type"] == "websocket.receive":
            frame = json.loads(message["text"])
            if frame["type"] == "connection_init":
                await send({"type": "websocket.send", "text": '{"type":"connection_ack"}'})
            elif frame["type"] == "subscribe":
                queues.add(queue)
                writer = asyncio.create_task(queue.write_all(send))
    finally:
        queues.discard(queue)
        if writer is not None:
            writer.cancel()
