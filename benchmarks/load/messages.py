"""The messages that generators publish, and the documents they use."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

#: The text in each message; a frame has about 500 bytes.
TEXT = "Sylt, wind from the west, showers later. " * 5

PUBLISH = """
mutation Publish($topic: String!, $id: UUID!, $data: JSON!) {
  publishMessage(input: {topic: $topic, messageId: $id, data: $data}) {
    status message { messageId cursor }
  }
}
"""
PUBLISH_MANY = """
mutation PublishMany($inputs: [PublishMessageInput!]!) {
  publishMessages(inputs: $inputs) { results { messageId status error { code } } }
}
"""
FOLLOW = """
subscription Follow($topic: String!) {
  messages(topic: $topic, start: NEW) { messageId publishTime cursor data }
}
"""


class Message:
    """A message of our own."""

    __slots__ = ("data", "id")

    def __init__(self, number: int) -> None:
        self.id = str(uuid4())
        self.data = {"number": number, "text": TEXT}

    def body(self, query: str, topic: str) -> bytes:
        """Return the GraphQL request that publishes it."""
        return json.dumps({"query": query, "variables": self.variables(topic)}).encode()

    def variables(self, topic: str) -> dict[str, Any]:
        """Return the variables of the mutation."""
        return {"topic": topic, "id": self.id, "data": self.data}

    def frame(self) -> bytes:
        """Return what a broker delivers, for servers that only pass it on."""
        message = {
            "messageId": self.id,
            "publishTime": "2026-01-01T10:00:00.000000+00:00",
            "cursor": "WzEsIDFd",
            "data": self.data,
        }
        frame = {"id": "1", "type": "next", "payload": {"data": {"messages": message}}}
        return json.dumps(frame, separators=(",", ":")).encode()
