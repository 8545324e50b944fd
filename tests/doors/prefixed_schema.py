"""The schema of a host with types of the same names as the broker's."""

from enum import Enum

import strawberry
from strawberry import relay

from dasf_broker import schema as broker

#: The prefix of the broker's types.
PREFIX = "Dasf"


@strawberry.enum
class MessageType(Enum):
    """The kinds of the host's own messages."""

    LETTER = "letter"


@strawberry.type
class User:
    """A user of the host."""

    age: int


@strawberry.type
class Message(relay.Node):
    """A message of the host."""

    id: relay.NodeID[int]
    kind: MessageType
    user: User


@strawberry.input
class PublishMessageInput:
    """What the host publishes."""

    kind: MessageType


@strawberry.type
class Query(broker.Query):
    """The broker's queries and the host's."""

    @strawberry.field
    def letters(self, of: PublishMessageInput) -> list[Message]:
        """Return the host's own messages."""
        return [Message(id=1, kind=of.kind, user=User(age=36))]


@strawberry.type
class Mutation(broker.Mutation):
    """The broker's mutations."""


@strawberry.type
class Subscription(broker.Subscription):
    """The broker's subscriptions."""


schema = broker.Schema(Query, Mutation, Subscription, prefix=PREFIX)
