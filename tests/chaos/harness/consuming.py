"""Consumers of a trial: they subscribe, again and again, and record what they receive."""

from __future__ import annotations

import asyncio
import base64
import json
import random
from collections import deque
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal

from websockets.exceptions import WebSocketException

from dasf_broker.domain.cursors import decode_message_cursor, message_cursor
from tests.chaos.harness.clients import (
    ACKNOWLEDGE,
    MESSAGES,
    GraphQLSocket,
    NoAnswerError,
    RefusedError,
    Server,
    graphql_socket,
    reason_of,
    websocket,
)
from tests.chaos.harness.history import (
    AcknowledgeAnswered,
    AcknowledgeInvoked,
    AcknowledgeUnknown,
)
from tests.chaos.harness.journal import Journal, Start

#: Seconds before another server is tried.
BACK_OFF: Final = 0.3

#: Acknowledgements of one consumer on their way at once.
IN_FLIGHT: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Consuming:
    """What one consumer does."""

    #: Different for each client.
    name: str
    user: str
    key: str
    topic: str
    #: The primary key and the epoch of the topic: who was killed makes a cursor of them.
    topic_id: int
    epoch: int = 0
    #: ``acknowledge``: takes what is outstanding. ``resume``: reads on behind the last message
    #: it got. ``listen``: takes what comes.
    habit: Literal["acknowledge", "resume", "listen"]
    door: Literal["websocket", "dasf"] = "websocket"
    #: Seconds after which it comes back by another server, at least and at most.
    stay: tuple[float, float] = (8.0, 20.0)
    #: The part of the messages that it does not acknowledge when they come first.
    forget: float = 0.0


class Consumer:
    """One consumer.

    Parameters
    ----------
    doing
        What it does.
    servers
        All servers; each subscription goes to the next one.
    journal
        Where it writes what happens.
    seed
        Of what it draws by lot.
    """

    def __init__(
        self, doing: Consuming, servers: list[Server], journal: Journal, seed: str
    ) -> None:
        self._doing = doing
        self._servers = deque(servers)
        self._journal = journal
        self._random = random.Random(f"{seed} {journal.who} {doing.name}")  # noqa: S311 - see seed
        self._servers.rotate(self._random.randrange(len(servers)))
        self._position: int | None = None
        self._forgotten: set[str] = set()
        self._is_settled = False
        self._subscribed: asyncio.Timeout | None = None

    def settle(self) -> None:
        """Come back once more, then stay, and forget nothing any more."""
        self._is_settled = True
        if self._subscribed is not None and not self._subscribed.expired():
            self._subscribed.reschedule(asyncio.get_running_loop().time())

    async def run(self) -> None:
        """Consume for ever."""
        if self._doing.habit == "resume":
            self._position = self._journal.last_sequence(self._doing.name)
        stay = self._stay_on_dasf if self._doing.door == "dasf" else self._stay_on_graphql
        while True:
            self._servers.rotate()
            seconds = None if self._is_settled else self._random.uniform(*self._doing.stay)
            try:
                async with asyncio.timeout(seconds) as self._subscribed:
                    await stay(self._servers[0])
            except TimeoutError:
                continue
            except (NoAnswerError, RefusedError):
                await asyncio.sleep(BACK_OFF * self._random.uniform(0.5, 1.5))
            finally:
                self._subscribed = None

    # --- over GraphQL -------------------------------------------------------------------------

    async def _stay_on_graphql(self, server: Server) -> None:
        async with graphql_socket(server, self._doing.key) as socket:
            name, messages = self._subscribe(socket)
            reason = "left"
            acknowledging = _Acknowledging(self._doing, self._journal, socket)
            try:
                async with aclosing(messages):  # type: ignore[type-var]
                    async for message in messages:
                        self._note(name, message)
                        if self._wants_to_acknowledge(message["messageId"]):
                            acknowledging.begin(message["messageId"])
            except (NoAnswerError, RefusedError) as error:
                reason = str(error)
                raise
            finally:
                self._journal.end_subscription(name, reason)
                await acknowledging.end()

    def _subscribe(self, socket: GraphQLSocket) -> tuple[str, AsyncIterator[Any]]:
        doing = self._doing
        start: Start = "OUTSTANDING" if doing.habit == "acknowledge" else "NEW"
        after: str | None = None
        if doing.habit == "resume":
            start = "EARLIEST" if self._position is None else "AFTER"
            if self._position is not None:
                after = message_cursor(doing.topic_id, self._position, doing.epoch)
        name = self._journal.open_subscription(
            doing.name, doing.topic, doing.user, start, self._position
        )
        asked = {"topic": doing.topic, "start": "EARLIEST" if start == "AFTER" else start}
        return name, socket.subscribe(MESSAGES, **asked, after=after)

    def _note(self, subscription: str, message: Any) -> None:
        sequence = None
        if message["cursor"] is not None:
            sequence = decode_message_cursor(message["cursor"], field="cursor")[1]
        self._journal.deliver(
            subscription,
            self._doing.topic,
            message["text"],
            message_id=message["messageId"],
            sequence=sequence,
            missed=message["missed"],
        )
        if self._doing.habit == "resume":
            self._position = sequence

    def _wants_to_acknowledge(self, message_id: str) -> bool:
        if self._doing.habit != "acknowledge":
            return False
        forgets = not self._is_settled and self._random.random() < self._doing.forget
        if forgets and message_id not in self._forgotten:
            self._forgotten.add(message_id)
            return False
        return True

    # --- over the DASF websocket --------------------------------------------------------------

    async def _stay_on_dasf(self, server: Server) -> None:
        doing = self._doing
        moment = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")
        url = f"{server.dasf}{doing.topic}/python-backend-{moment}"
        async with websocket(url, key=doing.key) as connection:
            name = self._journal.open_subscription(
                doing.name, doing.topic, doing.user, "OUTSTANDING"
            )
            reason = "left"
            try:
                async for text in connection:
                    if answer := self._answer(name, json.loads(text)):
                        await connection.send(json.dumps(answer))
                reason = f"closed {connection.close_code}"
            except (WebSocketException, NoAnswerError) as error:
                reason = reason_of(error)
            finally:
                self._journal.end_subscription(name, reason)
            raise NoAnswerError(reason)

    def _answer(self, subscription: str, frame: dict[str, Any]) -> dict[str, Any] | None:
        message_id = frame["messageId"]
        if "result" in frame:  # the acknowledgement failed: what was not counted comes again
            raise NoAnswerError(frame["result"])
        if frame["properties"].get("messageType") in ("ping", "api_info"):
            return {"messageId": message_id}
        text = base64.b64decode(frame["payload"]).decode()
        self._journal.deliver(subscription, self._doing.topic, text, message_id=message_id)
        if not self._wants_to_acknowledge(message_id):
            return None
        self._journal.append(
            AcknowledgeInvoked(
                operation=self._journal.next_operation(),
                topic=self._doing.topic,
                message_id=message_id,
                user=self._doing.user,
            )
        )
        return {"messageId": message_id}


class _Acknowledging:
    """The acknowledgements of one subscription, beside the deliveries."""

    def __init__(self, doing: Consuming, journal: Journal, socket: GraphQLSocket) -> None:
        self._doing = doing
        self._journal = journal
        self._socket = socket
        self._slots = asyncio.Semaphore(IN_FLIGHT)
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self, message_id: str) -> None:
        """Acknowledge a message, and retry as long as the subscription lasts."""
        task = asyncio.create_task(self._see_through(message_id))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def end(self) -> None:
        """Give up what is on its way; it comes again with the next subscription."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _see_through(self, message_id: str) -> None:
        async with self._slots:
            while True:
                if await self._acknowledge(message_id):
                    return
                await asyncio.sleep(BACK_OFF)

    async def _acknowledge(self, message_id: str) -> bool:
        operation = self._journal.next_operation()
        topic = self._doing.topic
        self._journal.append(
            AcknowledgeInvoked(
                operation=operation, topic=topic, message_id=message_id, user=self._doing.user
            )
        )
        reason = "gave up"
        try:
            answer = await self._socket.execute(ACKNOWLEDGE, topic=topic, messageId=message_id)
        except (NoAnswerError, RefusedError) as error:
            reason = str(error)
        else:
            reason = ""
            self._journal.append(
                AcknowledgeAnswered(
                    operation=operation, status=answer["status"], removed=answer["removed"]
                )
            )
        finally:
            if reason:
                self._journal.append(AcknowledgeUnknown(operation=operation, reason=reason))
        return not reason
