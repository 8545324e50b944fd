"""Publishers of a trial: each sends one message after the other and records the answers."""

from __future__ import annotations

import asyncio
import base64
import json
import random
from collections import deque
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol, TypeAlias, cast
from uuid import UUID

import httpx
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import WebSocketException

from dasf_broker.domain.cursors import decode_message_cursor
from tests.chaos.harness.clients import (
    PATIENCE,
    PUBLISH,
    GraphQLSocket,
    NoAnswerError,
    RefusedError,
    Server,
    execute_over_http,
    graphql_socket,
    reason_of,
    websocket,
)
from tests.chaos.harness.history import (
    PublishAnswered,
    PublishInvoked,
    PublishRefused,
    PublishUnknown,
)
from tests.chaos.harness.journal import Journal, brief

#: Seconds before a message whose fate is unknown is sent again.
BACK_OFF: Final = 0.2

#: Seconds for which a publisher that is told to end goes on asking what became of its last message.
LAST_WORDS: Final = 45.0

#: Sizes of messages, and how often they come. The largest is announced without its body.
SIZES: Final = {50: 0.97, 5_000: 0.025, 70_000: 0.005}

Status: TypeAlias = Literal["STORED", "SENT", "DUPLICATE"]
#: What a door answers, and the sequence where it tells.
Answer: TypeAlias = tuple[Status, int | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Publishing:
    """What one publisher does."""

    #: Different for each client.
    name: str
    user: str
    key: str
    topic: str
    door: Literal["http", "websocket", "dasf"]
    #: Seconds from one message to the next, if the broker is quick.
    pace: float
    #: The part of the answered messages that is sent once more, a few seconds later.
    echo: float = 0.0
    #: Whether a message with an unknown fate is sent again. Not where nothing is stored: there
    #: it would be delivered twice.
    retries: bool = True


@dataclass(frozen=True, slots=True)
class Message:
    """A message to publish; the same one when it is sent again."""

    message_id: str
    text: str


class Door(Protocol):
    """A way to publish."""

    async def publish(self, server: Server, message: Message) -> Answer:
        """Publish; raise :class:`RefusedError` or :class:`NoAnswerError`."""

    async def close(self) -> None:
        """Let go of what is open."""


class Publisher:
    """One publisher.

    Parameters
    ----------
    doing
        What it does.
    servers
        All servers; another one is tried when one does not answer.
    journal
        Where it writes what happens.
    http
        A client to share.
    seed
        Of what it draws by lot.
    """

    def __init__(
        self,
        doing: Publishing,
        servers: list[Server],
        journal: Journal,
        http: httpx.AsyncClient,
        seed: str,
    ) -> None:
        self._doing = doing
        self._servers = deque(servers)
        self._journal = journal
        self._random = random.Random(f"{seed} {doing.name}")  # noqa: S311 - to be repeated
        self._servers.rotate(self._random.randrange(len(servers)))
        doors: dict[str, Callable[[], Door]] = {
            "http": lambda: HttpDoor(doing, http),
            "websocket": lambda: WebsocketDoor(doing),
            "dasf": lambda: DasfDoor(doing),
        }
        self._door = doors[doing.door]()
        #: Messages that are sent once more, with the time when.
        self._echoes: deque[tuple[float, Message]] = deque()

    async def run(self, stop: asyncio.Event) -> None:
        """Publish until told to stop, and the fate of the last message is known."""
        now = asyncio.get_running_loop().time
        number = 0
        try:
            while not stop.is_set():
                if self._echoes and self._echoes[0][0] < now():
                    await self._see_through(self._echoes.popleft()[1], stop)
                number += 1
                message = self._message(number)
                is_answered = await self._see_through(message, stop)
                if is_answered and self._random.random() < self._doing.echo:
                    self._echoes.append((now() + self._random.uniform(0, 4), message))
                await _pause(stop, self._doing.pace * self._random.uniform(0.5, 1.5))
        finally:
            await self._door.close()

    def _message(self, number: int) -> Message:
        message_id = UUID(int=self._random.getrandbits(128), version=4)
        [size] = self._random.choices([*SIZES], [*SIZES.values()])
        return Message(str(message_id), f"{self._doing.name} {number} ".ljust(size, "."))

    async def _see_through(self, message: Message, stop: asyncio.Event) -> bool:
        """Publish until the fate of the message is known; return whether it is published."""
        deadline: float | None = None
        while (known := await self._publish(message)) is None and self._doing.retries:
            self._servers.rotate()
            if stop.is_set():
                now = asyncio.get_running_loop().time()
                deadline = deadline or now + LAST_WORDS
                if now > deadline:
                    break
            await asyncio.sleep(BACK_OFF * self._random.uniform(0.5, 1.5))
        return bool(known)

    async def _publish(self, message: Message) -> bool | None:
        operation = self._journal.next_operation()
        self._journal.append(
            PublishInvoked(
                operation=operation,
                topic=self._doing.topic,
                message_id=message.message_id,
                text=brief(message.text),
                user=self._doing.user,
            )
        )
        try:
            status, sequence = await self._door.publish(self._servers[0], message)
        except RefusedError as error:
            self._journal.append(PublishRefused(operation=operation, code=str(error)))
            return False
        except NoAnswerError as error:
            self._journal.append(PublishUnknown(operation=operation, reason=str(error)))
            return None
        self._journal.append(PublishAnswered(operation=operation, status=status, sequence=sequence))
        return True


class HttpDoor:
    """GraphQL over HTTP."""

    def __init__(self, doing: Publishing, http: httpx.AsyncClient) -> None:
        self._doing = doing
        self._http = http

    async def publish(self, server: Server, message: Message) -> Answer:
        """Publish."""
        given = _input(self._doing, message)
        return _answer(
            await execute_over_http(self._http, server, self._doing.key, PUBLISH, input=given)
        )

    async def close(self) -> None:
        """Leave the shared client alone."""


class _Connected:
    """A door with a connection that is kept until it, or an answer, fails."""

    def __init__(self, doing: Publishing) -> None:
        self._doing = doing
        self._stack = AsyncExitStack()
        self._server: Server | None = None
        self._open: Any = None

    async def publish(self, server: Server, message: Message) -> Answer:
        """Publish."""
        if self._server != server:
            await self.close()
        try:
            if self._server is None:
                self._open = await self._connect(server)
                self._server = server
            return await self._ask(message)
        except NoAnswerError:
            await self.close()
            raise

    async def close(self) -> None:
        """Close the connection."""
        stack, self._stack, self._server = self._stack, AsyncExitStack(), None
        await stack.aclose()

    async def _connect(self, server: Server) -> Any:
        raise NotImplementedError

    async def _ask(self, message: Message) -> Answer:
        raise NotImplementedError


class WebsocketDoor(_Connected):
    """GraphQL over a websocket."""

    async def _connect(self, server: Server) -> GraphQLSocket:
        return await self._stack.enter_async_context(graphql_socket(server, self._doing.key))

    async def _ask(self, message: Message) -> Answer:
        socket: GraphQLSocket = self._open
        return _answer(await socket.execute(PUBLISH, input=_input(self._doing, message)))


class DasfDoor(_Connected):
    """The producer's socket of the DASF protocol. It tells neither sequence nor "duplicate"."""

    async def _connect(self, server: Server) -> ClientConnection:
        url = f"{server.dasf}{self._doing.topic}"
        return await self._stack.enter_async_context(websocket(url, key=self._doing.key))

    async def _ask(self, message: Message) -> Answer:
        connection: ClientConnection = self._open
        frame = {
            "messageId": message.message_id,
            "properties": {"messageType": "request"},
            "payload": base64.b64encode(message.text.encode()).decode(),
        }
        try:
            async with asyncio.timeout(PATIENCE):
                await connection.send(json.dumps(frame))
                result = json.loads(await connection.recv())
        except (WebSocketException, OSError, TimeoutError, ValueError) as error:
            raise NoAnswerError(reason_of(error)) from error
        if result.get("messageId") != message.message_id or result.get("result") != "ok":
            raise NoAnswerError(f"result: {result.get('result')}"[:120])
        return "STORED", None


def _input(doing: Publishing, message: Message) -> dict[str, str]:
    return {"topic": doing.topic, "messageId": message.message_id, "text": message.text}


def _answer(payload: Any) -> Answer:
    cursor = payload["message"]["cursor"]
    sequence = None if cursor is None else decode_message_cursor(cursor, field="cursor")[1]
    return cast("Status", payload["status"]), sequence


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        pass
