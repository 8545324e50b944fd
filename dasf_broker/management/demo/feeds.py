"""The two client programs of the demo. They speak GraphQL, as any client does."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import uuid4

from django.contrib.auth import get_user_model
from websockets.exceptions import WebSocketException

from dasf_broker import clock, database
from dasf_broker.auth import create_token
from dasf_broker.exceptions import BrokerError
from dasf_broker.management.demo.client import Client, RefusedError, connected
from dasf_broker.management.demo.machine import reading
from dasf_broker.models import ApiToken

logger = logging.getLogger(__name__)

#: A program that talks to the broker until the connection breaks.
Feed = Callable[[Client], Awaitable[None]]

#: Seconds between two readings of this machine, and before a client connects again.
INTERVAL = 1.0
#: If the demo is killed, its keys expire by themselves.
KEY_LIFETIME = timedelta(hours=1)

PUBLISH = """mutation Publish($data: JSON!) {
  publishMessage(input: {topic: "machine", messageType: INFO, data: $data}) { status }
}"""
MESSAGES = 'subscription { messages(topic: "echo") { messageId } }'
ACKNOWLEDGE = """mutation Acknowledge($messageId: UUID!) {
  acknowledgeMessage(topic: "echo", messageId: $messageId) { status }
}"""
PINGS = 'subscription { pings(topic: "echo") { pingedAt } }'
PONG = 'mutation { pongTopic(topic: "echo") { roundTripTime } }'


async def machine(client: Client) -> None:
    """Publish how busy this machine is, once a second."""
    results = client.results()
    while True:
        await client.start(_unique(), PUBLISH, data=reading())
        await anext(results)
        await asyncio.sleep(INTERVAL)


async def echo(client: Client) -> None:
    """Acknowledge every message and answer every ping: a backend module in its smallest form."""
    await client.subscribe("messages", MESSAGES)
    await client.subscribe("pings", PINGS)
    async for operation, data in client.results():
        if operation == "messages":
            await client.start(_unique(), ACKNOWLEDGE, messageId=data["messages"]["messageId"])
        elif operation == "pings":
            await client.start(_unique(), PONG)


#: The programs by the service account that each runs as.
FEEDS: dict[str, Feed] = {"machine": machine, "echo": echo}


async def keep_running(service: str, feed: Feed, url: str) -> None:
    """Run a program for ever; connect again whenever the connection breaks."""
    told = ""
    while True:
        try:
            async with _key_of(service) as key, connected(url, key) as client:
                await feed(client)
        except (OSError, WebSocketException, RefusedError, BrokerError) as error:
            if str(error) != told:  # once, not every second
                logger.warning("The demo client %r tries to connect again: %s", service, error)
            told = str(error)
        await asyncio.sleep(INTERVAL)


@asynccontextmanager
async def _key_of(service: str) -> AsyncIterator[str]:
    """Create an API token that is kept in memory, and revoked with the connection."""
    token, key = await database.write(_make_token, service)
    try:
        yield key
    finally:
        await database.write(token.delete)


def _make_token(service: str) -> tuple[ApiToken, str]:
    people: Any = get_user_model()
    user = people.objects.get_by_natural_key(service)
    user.dasf_tokens.filter(expires__lt=clock.now()).delete()
    return create_token(user, label="demo client", expires=clock.now() + KEY_LIFETIME)


def _unique() -> str:
    return str(uuid4())
