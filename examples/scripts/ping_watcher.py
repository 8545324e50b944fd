"""Ask whether the consumers of topics are there; for cron and for monitoring.

    python ping_watcher.py weather sensors

Pings each topic and waits for the answers. Exit code: 0 all are online, 1 some are not, 2 the
broker could not be asked. DASF_URL and DASF_KEY say where it is, and who asks.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys

import httpx
from gql import Client, GraphQLRequest, gql
from gql.transport.exceptions import TransportError, TransportQueryError
from gql.transport.httpx import HTTPXAsyncTransport

PING = gql("mutation ($topic: String!) { pingTopic(topic: $topic) { pingedAt } }")
STATUS = gql("query ($topic: String!) { topic(slug: $topic) { availability { status } } }")

#: Seconds between two looks for answers.
STEP = 0.25


async def is_online(client: Client, topic: str, patience: float) -> bool:
    """Ping a topic; wait until somebody answers, or until nobody did for long enough."""
    async with client as session:
        variables = {"topic": topic}
        await session.execute(GraphQLRequest(PING, variable_values=variables))
        loop = asyncio.get_running_loop()
        end = loop.time() + patience
        while True:
            found = (await session.execute(GraphQLRequest(STATUS, variable_values=variables)))[
                "topic"
            ]
            online: bool = found["availability"]["status"] == "ONLINE"
            if online or loop.time() > end:
                return online
            await asyncio.sleep(STEP)


async def watch(topics: list[str], patience: float, *, url: str, key: str) -> int:
    """Ask for all topics at once; return the exit code."""
    headers = {"Authorization": f"Bearer {key}"}
    clients = [Client(transport=HTTPXAsyncTransport(url=url, headers=headers)) for _ in topics]
    asked = map(is_online, clients, topics, [patience] * len(topics))
    answers = await asyncio.gather(*asked, return_exceptions=True)
    code = 0
    for topic, answer in zip(topics, answers, strict=True):
        match answer:
            case bool():
                print(f"{topic}: {'online' if answer else 'offline'}")
                code = max(code, 0 if answer else 1)
            case TransportQueryError(errors=[{"message": text}, *_]):
                print(f"{topic}: {text}", file=sys.stderr)
                code = 2
            case TransportError() | httpx.HTTPError() | OSError():
                print(f"{topic}: the broker does not answer: {answer}", file=sys.stderr)
                code = 2
            case BaseException():
                raise answer
    return code


def main() -> int:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("topics", nargs="+", metavar="TOPIC")
    parser.add_argument("--url", default=os.environ.get("DASF_URL"), help="like DASF_URL")
    parser.add_argument("--patience", type=float, default=5.0, help="seconds to wait (5)")
    given = parser.parse_args()
    if not given.url:
        parser.error("say where the broker is, with --url or DASF_URL")
    key = os.environ.get("DASF_KEY", "")
    return asyncio.run(watch(given.topics, given.patience, url=given.url, key=key))


if __name__ == "__main__":
    sys.exit(main())
