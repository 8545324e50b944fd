"""Well-behaved clients: a publisher, subscribers, and somebody who asks all the time."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import httpx

from tests.acceptance.clients import Http, graphql_socket, http_client
from tests.acceptance.servers import Server

SUBSCRIBERS = 50

#: Messages that are published in a second.
PACE = 10

TOPIC = "open"

_MESSAGES = 'subscription { messages(topic: "open", start: NEW) { text data } }'


@dataclass(slots=True)
class Experience:
    """What happened to them: seconds, and errors."""

    #: From the beginning of a publish to the arrival at a subscriber.
    deliveries: list[float] = field(default_factory=list)
    #: From the request to the answer.
    publishes: list[float] = field(default_factory=list)
    answers: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


@asynccontextmanager
async def bystanders(server: Server, key: str) -> AsyncIterator[Experience]:
    """Let them work as long as the context lasts; yield what happens to them."""
    experience = Experience()
    jobs = [_subscribe(server, key, experience) for _ in range(SUBSCRIBERS)]
    jobs += [_publish(server, key, experience), _ask(server, experience)]
    tasks = [asyncio.create_task(_noting_errors(job, experience)) for job in jobs]
    try:
        yield experience
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def percentile(values: list[float], percent: int) -> float:
    """Return a percentile; infinity if there are too few values."""
    return statistics.quantiles(values, n=100)[percent - 1] if len(values) > 1 else float("inf")


async def _noting_errors(job: Coroutine[None, None, None], experience: Experience) -> None:
    try:
        await job
    except Exception as error:  # noqa: BLE001 - all of them are counted
        experience.errors.append(repr(error)[:300])


async def _subscribe(server: Server, key: str, experience: Experience) -> None:
    async with graphql_socket(server, key) as socket:
        async for message in socket.subscribe(_MESSAGES):
            with suppress(ValueError, TypeError):  # the text of somebody else
                experience.deliveries.append(time.monotonic() - float(message["text"] or ""))


async def _publish(server: Server, key: str, experience: Experience) -> None:
    async with http_client(server, key) as http:
        while True:
            began = time.monotonic()
            await http.publish(TOPIC, repr(began))
            experience.publishes.append(time.monotonic() - began)
            await asyncio.sleep(max(0.0, began + 1 / PACE - time.monotonic()))


async def _ask(server: Server, experience: Experience) -> None:
    """Ask without a credential, as the strangers do."""
    async with httpx.AsyncClient(timeout=60) as client:
        http = Http(client, server.graphql)
        while True:
            began = time.monotonic()
            assert await http.execute("{ __typename }") == "Query"
            experience.answers.append(time.monotonic() - began)
            await asyncio.sleep(0.01)
