"""Process the messages of a topic, one after the other, and acknowledge each.

    python worker.py weather

It goes on where it was when it, the network or the server breaks: what is not acknowledged
comes again, so that work may be done twice, but is never left out. Stop it with Ctrl-C.
DASF_URL (ws:// or wss://) and DASF_KEY say where the broker is, and who works.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from contextlib import suppress
from typing import Any

from gql import Client, GraphQLRequest, gql
from gql.transport.exceptions import TransportError, TransportQueryError
from gql.transport.websockets import WebsocketsTransport
from websockets.exceptions import WebSocketException

MESSAGES = gql("subscription ($topic: String!) { messages(topic: $topic) { messageId text data } }")
ACKNOWLEDGE = gql("""
    mutation ($topic: String!, $messageId: UUID!) {
        acknowledgeMessage(topic: $topic, messageId: $messageId) { status }
    }
""")

#: Seconds before the next attempt to connect.
PAUSE = 1.0

#: What is wrong for good, so that another attempt would come to the same.
FINAL = {"BAD_INPUT", "UNAUTHENTICATED", "NOT_FOUND", "FORBIDDEN"}


def process(message: dict[str, Any]) -> None:
    """Put your work here. An exception ends the worker, and the message is not acknowledged."""
    print(message["text"] if message["data"] is None else json.dumps(message["data"]), flush=True)


async def work(topic: str, *, url: str, key: str) -> None:
    """Work until the connection breaks."""
    transport = WebsocketsTransport(
        url=url,
        init_payload={"Authorization": f"Bearer {key}"},
        subprotocols=[WebsocketsTransport.GRAPHQLWS_SUBPROTOCOL],
    )
    async with Client(transport=transport) as session:
        async for result in session.subscribe(
            GraphQLRequest(MESSAGES, variable_values={"topic": topic})
        ):
            message = result["messages"]
            await asyncio.to_thread(process, message)
            variables = {"topic": topic, "messageId": message["messageId"]}
            await session.execute(GraphQLRequest(ACKNOWLEDGE, variable_values=variables))


async def work_for_ever(topic: str, *, url: str, key: str) -> int:
    """Work, and connect again whenever that is of use; return the exit code."""
    while True:
        try:
            await work(topic, url=url, key=key)
        except TransportQueryError as error:
            problem = (error.errors or [{}])[0]
            if problem.get("extensions", {}).get("code") in FINAL:
                print(problem["message"], file=sys.stderr)
                return 2
        except (TransportError, WebSocketException, OSError) as error:
            if "4401" in str(error) or "4401" in str(error.__cause__):
                print(f"The broker does not take this key: {error}", file=sys.stderr)
                return 2
        await asyncio.sleep(PAUSE)


def main() -> int:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("topic", metavar="TOPIC")
    parser.add_argument("--url", default=os.environ.get("DASF_URL"), help="like DASF_URL")
    given = parser.parse_args()
    if not given.url:
        parser.error("say where the broker is, with --url or DASF_URL")
    with suppress(KeyboardInterrupt):
        key = os.environ.get("DASF_KEY", "")
        return asyncio.run(work_for_ever(given.topic, url=given.url, key=key))
    return 0


if __name__ == "__main__":
    sys.exit(main())
