"""Run the scripts of ``examples/scripts``, and see what came of them."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import Queue
from threading import Thread
from typing import IO, Any

import httpx

from tests.clients.conftest import Deployment
from tests.clients.node import DEADLINE, EXAMPLES

SCRIPTS = EXAMPLES / "scripts"

#: A consumer that answers pings. It says that it is there when the first one has come.
_PONG = """
import asyncio, os
from gql import Client, gql
from gql.transport.websockets import WebsocketsTransport

PINGS = gql('subscription { pings(topic: "topic") { pingedAt } }')
PING = gql('mutation { pingTopic(topic: "topic") { pingedAt } }')
PONG = gql('mutation { pongTopic(topic: "topic") { pongedAt } }')

async def ping(session):
    while True:
        await session.execute(PING)
        await asyncio.sleep(0.05)

async def main():
    key = {"Authorization": f"Bearer {os.environ['DASF_KEY']}"}
    transport = WebsocketsTransport(
        os.environ["DASF_URL"], init_payload=key, subprotocols=["graphql-transport-ws"]
    )
    async with Client(transport=transport) as session:
        pinging = asyncio.create_task(ping(session))
        async for _ in session.subscribe(PINGS):
            if pinging.cancel():
                print("there", flush=True)
            await session.execute(PONG)

asyncio.run(main())
"""


def command(name: str, language: str) -> list[str]:
    """Return how to call a script."""
    program = sys.executable if language == "py" else "bash"
    return [program, str(SCRIPTS / f"{name}.{language}")]


def url(deployment: Deployment, language: str) -> str:
    """Return where the worker connects to."""
    server = deployment.server
    return server.graphql_websocket if language == "py" else server.graphql


def processor(language: str) -> list[str]:
    """Return what does the work, where the worker does not do it by itself."""
    return [] if language == "py" else ["jq", "--raw-output", ".text"]


def run(deployment: Deployment, called: list[str], **more: str) -> subprocess.CompletedProcess[str]:
    """Run a script to its end."""
    return subprocess.run(
        called,
        env=environment(deployment, **more),
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )


def environment(deployment: Deployment, **more: str) -> dict[str, str]:
    """Return the environment of a script."""
    own = {"DASF_URL": deployment.server.graphql, "DASF_KEY": deployment.keys["worker"]}
    return {**os.environ, **own, **more}


@contextmanager
def working(deployment: Deployment, language: str) -> Iterator[Callable[[], str]]:
    """Run a worker; yield a function that waits for what it says next."""
    process = subprocess.Popen(
        [*command("worker", language), "topic", *processor(language)],
        env=environment(deployment, DASF_URL=url(deployment, language)),
        stdout=subprocess.PIPE,
        text=True,
    )
    lines: Queue[str] = Queue()
    assert process.stdout is not None
    Thread(target=listen, args=[process.stdout, lines], daemon=True).start()
    with process:
        try:
            yield lambda: lines.get(timeout=DEADLINE)
        finally:
            process.terminate()


def listen(output: IO[str], lines: Queue[str]) -> None:
    """Hand out lines as they come."""
    for line in output:
        lines.put(line.rstrip("\n"))


@contextmanager
def consumer(deployment: Deployment) -> Iterator[None]:
    """Answer the pings of the topic."""
    process = subprocess.Popen(
        [sys.executable, "-c", _PONG],
        env=environment(deployment, DASF_URL=deployment.server.graphql_websocket),
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "there\n"
            yield
        finally:
            process.terminate()


def csv_of(rows: list[dict[str, str]]) -> str:
    """Return rows as a CSV file has them."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def lines_of(rows: list[Any]) -> str:
    """Return rows as a JSON Lines file has them."""
    return "".join(json.dumps(row) + "\n" for row in rows)


def outstanding(deployment: Deployment) -> int:
    """Return how many messages of the topic wait for the worker."""
    found = _ask(deployment, '{ topic(slug: "topic") { outstandingCount } }')
    return int(found["topic"]["outstandingCount"])


def stored(deployment: Deployment) -> list[Any]:
    """Return the bodies of the messages that the other topic has, in order."""
    query = '{ messages(topic: "other", first: 500) { edges { node { data } } } }'
    return [each["node"]["data"] for each in _ask(deployment, query)["messages"]["edges"]]


def _ask(deployment: Deployment, query: str) -> Any:
    key = {"Authorization": f"Bearer {deployment.keys['worker']}"}
    response = httpx.post(deployment.server.graphql, json={"query": query}, headers=key)
    return response.json()["data"]


def until(condition: Callable[[], bool]) -> None:
    """Wait until the condition holds."""
    end = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)
