"""The demo's commands to paste into a shell."""

from __future__ import annotations

import json
import shlex
from typing import Any
from uuid import uuid4

PUBLISH = """mutation ($input: PublishMessageInput!) {
  publishMessage(input: $input) { status message { messageId publishTime data } } }"""
ACKNOWLEDGE = """mutation ($id: UUID!) {
  acknowledgeMessage(topic: "inbox", messageId: $id) { status removed } }"""
PING = 'mutation { pingTopic(topic: "echo") { pingedAt } }'
ASK = '{ topic(slug: "echo") { availability { status roundTripTime } } }'


def commands(url: str, token: str | None) -> dict[str, str]:
    """Return shell commands to paste, by their purpose.

    Parameters
    ----------
    url
        The GraphQL endpoint.
    token
        The key to send; without one the commands read the variable ``TOKEN``.
    """
    # Chosen by the client, so that the second command can name the message of the first.
    message_id = str(uuid4())
    message = {"topic": "inbox", "messageId": message_id, "data": {"hello": "world"}}
    bodies: dict[str, dict[str, Any]] = {
        "publish a message": {"query": PUBLISH, "variables": {"input": message}},
        "acknowledge it": {"query": ACKNOWLEDGE, "variables": {"id": message_id}},
        "ping the echo client": {"query": PING},
        "see that it answered": {"query": ASK},
    }
    return {title: _curl(url, token or "$TOKEN", body) for title, body in bodies.items()}


def _curl(url: str, key: str, body: dict[str, Any]) -> str:
    text = json.dumps(body | {"query": " ".join(body["query"].split())})
    # Double quotes around the key, because the shell has to fill in $TOKEN.
    return (
        f'curl -sS {url} -H "Authorization: Bearer {key}" '
        f"-H 'Content-Type: application/json' -d {shlex.quote(text)}"
    )
