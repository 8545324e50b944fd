"""Publishers and subscribers who go on, whatever happens to their servers, and remember it all."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx
from websockets.exceptions import ConnectionClosed, WebSocketException

from tests.acceptance.clients import (
    DEADLINE,
    RefusedError,
    graphql_socket,
    http_client,
    sequence_of,
)
from tests.acceptance.servers import Server, Site

#: Seconds before something is tried or looked at again.
PAUSE = 0.02

#: What a client sees when its server goes, is gone, or cannot do it now. Uvicorn answers a
#: request that it gives up with a text.
FAILURES = (OSError, httpx.HTTPError, WebSocketException, RefusedError, json.JSONDecodeError)

PUBLISH = """
mutation ($id: UUID!, $text: String!) {
  publishMessage(input: {topic: "topic", messageId: $id, text: $text}) { status }
}
"""
FOLLOW = """
subscription ($after: String) { messages(topic: "topic", after: $after) { cursor messageId } }
"""

_STORED = """
import json
import django
django.setup()
from dasf_broker.models import BrokerMessage
rows = BrokerMessage.objects.order_by("sequence").values_list("sequence", "message_id")
print(json.dumps([[sequence, str(message_id)] for sequence, message_id in rows]))
"""

Stored = list[tuple[int, str]]


@dataclass
class Load:
    """What was asked for and what was answered."""

    #: The servers that may be talked to; tests change it.
    servers: list[Server]
    keys: dict[str, str]
    answered: list[str] = field(default_factory=list)
    #: What each subscriber received, in order.
    received: list[Stored] = field(default_factory=list)
    #: The codes with which websockets were closed.
    codes: list[int | None] = field(default_factory=list)
    #: The longest time, in seconds, that a publisher waited for an answer or a refusal.
    slowest: float = 0.0
    #: How often somebody was told that it cannot be done now.
    refused: int = 0
    _ending: asyncio.Event = field(default_factory=asyncio.Event)

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait until something is so."""
        async with asyncio.timeout(DEADLINE):
            while not condition():  # noqa: ASYNC110 - what is looked at rings no bell
                await asyncio.sleep(PAUSE)

    async def until_more_is_answered(self, count: int = 50) -> None:
        """Wait until so many more messages are published."""
        before = len(self.answered)
        await self.until(lambda: len(self.answered) >= before + count)

    async def until_more_is_refused(self) -> None:
        """Wait until the servers have noticed that something is wrong."""
        before = self.refused
        await self.until(lambda: self.refused >= before + 4)

    async def publish(self, opened: Any, text: str) -> None:
        """Publish one message after the other, each until it is answered."""
        message_id = str(uuid4())
        while not self._ending.is_set():
            try:
                async with opened(self._any_server(), self.keys["producer"]) as client:
                    while not self._ending.is_set():
                        with self._timed():
                            await client.execute(PUBLISH, id=message_id, text=text)
                        self.answered.append(message_id)
                        message_id = str(uuid4())
            except FAILURES as failure:
                self._note(failure)
            await asyncio.sleep(PAUSE)

    async def follow(self) -> None:
        """Receive all messages, from wherever it is possible; never end."""
        received: Stored = []
        self.received.append(received)
        after = None
        while True:
            try:
                async with graphql_socket(self._any_server(), self.keys["reader"]) as one:
                    async for message in one.subscribe(FOLLOW, after=after):
                        received.append((sequence_of(message), message["messageId"]))
                        after = message["cursor"]
            except FAILURES as failure:
                self._note(failure)
            await asyncio.sleep(PAUSE)

    def end(self) -> None:
        """Let the publishers end with what they are at."""
        self._ending.set()

    async def check(self, site: Site) -> None:
        """Check that what was answered is there, and was delivered: once, and in order."""
        rows = json.loads(await asyncio.to_thread(site.run, "-c", _STORED))
        stored = [(sequence, message_id) for sequence, message_id in rows]
        missing = set(self.answered) - {message_id for _, message_id in stored}
        assert not missing, f"{len(missing)} of {len(self.answered)} are lost"
        assert [sequence for sequence, _ in stored] == [*range(1, len(stored) + 1)]
        await self.until(lambda: all(len(each) >= len(stored) for each in self.received))
        for each in self.received:
            assert each == stored

    @contextmanager
    def _timed(self) -> Iterator[None]:
        begun = time.monotonic()
        try:
            yield
        finally:
            self.slowest = max(self.slowest, time.monotonic() - begun)

    def _any_server(self) -> Server:
        return random.choice(self.servers)  # noqa: S311 - nothing is kept secret by it

    def _note(self, failure: BaseException) -> None:
        if isinstance(failure, ConnectionClosed):
            self.codes.append(failure.rcvd.code if failure.rcvd else None)
        elif isinstance(failure, RefusedError):
            self.refused += 1
            [errors] = failure.args
            assert {each["extensions"]["code"] for each in errors} == {"UNAVAILABLE"}, errors


@asynccontextmanager
async def load(
    servers: list[Server], keys: dict[str, str], *, publishers: int = 4, text: str = "x"
) -> AsyncIterator[Load]:
    """Put a load on servers: publishers over HTTP and websockets, and two subscribers."""
    made = Load(servers, keys)
    doors = itertools.cycle([http_client, graphql_socket])
    async with asyncio.TaskGroup() as group:
        followers = [group.create_task(made.follow()) for _ in range(2)]
        for _ in range(publishers):
            group.create_task(made.publish(next(doors), text))
        await made.until_more_is_answered()
        yield made
        made.end()
        for each in followers:
            each.cancel()
