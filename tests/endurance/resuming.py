"""A publisher and a reader who let nothing stop them: they try again, at whatever server runs."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx

from tests.acceptance.clients import RefusedError, http_client, sequence_of
from tests.acceptance.servers import Server
from tests.endurance.wire import Wire

TOPIC = "topic"

#: Seconds between two publishes, and before something is tried again.
PACE = 0.005
RETRY = 0.05

#: Messages after which a reader breaks its connection by itself.
PATIENCE = 40

PUBLISH = """
mutation ($topic: String!, $id: UUID!) {
  publishMessage(input: {topic: $topic, messageId: $id}) { status message { cursor } }
}
"""
MESSAGES = """
subscription ($topic: String!, $after: String) {
  messages(topic: $topic, after: $after) { cursor messageId }
}
"""


@dataclass
class Publisher:
    """Publishes one message after the other, each until it is answered."""

    servers: list[Server]
    key: str
    #: The id of each message that was answered, by its sequence.
    answered: dict[int, str] = field(default_factory=dict)

    async def run(self) -> None:
        """Publish for ever."""
        while True:
            message_id = str(uuid4())
            while not await self._publish(message_id):  # noqa: ASYNC110 - it is no event
                await asyncio.sleep(RETRY)
            await asyncio.sleep(PACE)

    async def _publish(self, message_id: str) -> bool:
        try:
            async with http_client(self.servers[0], self.key) as http:
                published = await http.execute(PUBLISH, topic=TOPIC, id=message_id)
        except httpx.HTTPError:
            return False  # nobody knows whether it was published
        except RefusedError as refusal:
            if _codes(refusal) != ["UNAVAILABLE"]:
                raise
            return False
        assert published["status"] in {"STORED", "DUPLICATE"}
        self.answered[sequence_of(published["message"])] = message_id
        return True


@dataclass
class Reader:
    """Reads on behind the last message received, from connection to connection."""

    servers: list[Server]
    key: str
    received: list[tuple[int, str]] = field(default_factory=list)
    connections: int = 0
    _cursor: str | None = None

    async def run(self) -> None:
        """Read for ever, at one server after the other."""
        while True:
            server = self.servers[self.connections % len(self.servers)]
            try:
                await self._read(server)
            except OSError:
                await asyncio.sleep(RETRY)

    async def until(self, sequence: int) -> None:
        """Wait until a message was received."""
        async with asyncio.timeout(60):
            while not self.received or self.received[-1][0] < sequence:  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    async def _read(self, server: Server) -> None:
        wire = await Wire.connect(server.port)
        try:
            await wire.upgrade_to_graphql(self.key)
            self.connections += 1
            wire.subscribe(MESSAGES, topic=TOPIC, after=self._cursor)
            for _ in range(PATIENCE):
                self._note(json.loads(await wire.receive()))
        finally:
            wire.drop()

    def _note(self, frame: Any) -> None:
        if frame["type"] == "error":
            assert _codes(RefusedError(frame["payload"])) == ["UNAVAILABLE"], frame
            raise ConnectionError
        message = frame["payload"]["data"]["messages"]
        self._cursor = message["cursor"]
        self.received.append((sequence_of(message), message["messageId"]))


def check(publisher: Publisher, reader: Reader) -> None:
    """Check that all was received without hole or repeat, and is what was answered."""
    sequences = [sequence for sequence, _ in reader.received]
    assert sequences == [*range(1, len(sequences) + 1)]
    assert publisher.answered.items() <= dict(reader.received).items()
    ids = {message_id for _, message_id in reader.received}
    assert len(ids) == len(sequences), "a retry made a second message"


def _codes(refusal: RefusedError) -> list[str]:
    [errors] = refusal.args
    return [error["extensions"]["code"] for error in errors]
