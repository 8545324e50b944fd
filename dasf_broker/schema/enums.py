"""The enumerations of the API: the broker's own, with a description for every value."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import TypeVar

import strawberry
from strawberry.types.enum import StrawberryEnumDefinition

from dasf_broker.domain.envelope import MessageType
from dasf_broker.domain.publishing import PublishStatus
from dasf_broker.domain.storage import StoragePolicy
from dasf_broker.operations.acknowledge import AcknowledgeStatus
from dasf_broker.operations.lists.browse import MessageOrder, TopicOrder
from dasf_broker.operations.subscriptions.messages import StartPosition
from dasf_broker.permissions import Right

AnyEnum = TypeVar("AnyEnum", bound=type[Enum])


def _describe(
    kind: AnyEnum, description: str, values: Mapping[str, str], name: str | None = None
) -> AnyEnum:
    """Add an enumeration to the API; ``values`` describes each of its members."""
    strawberry.enum(kind, name=name, description=description)
    definition: StrawberryEnumDefinition = vars(kind)["__strawberry_definition__"]
    for value in definition.values:
        value.description = values[value.name]
    return kind


@strawberry.enum(description="Whether the consumers of a topic answer pings.")
class AvailabilityStatus(Enum):
    ONLINE = strawberry.enum_value("ONLINE", description="A consumer answered the last ping.")
    OFFLINE = strawberry.enum_value(
        "OFFLINE", description="No consumer has answered the last ping."
    )
    UNKNOWN = strawberry.enum_value(
        "UNKNOWN",
        description="No ping in the last two minutes, or the topic does not support pings.",
    )

    @classmethod
    def of(cls, online: bool | None) -> AvailabilityStatus:
        """Return the status for a topic's ``availability``; ``None`` stands for unknown."""
        return {True: cls.ONLINE, False: cls.OFFLINE, None: cls.UNKNOWN}[online]


_describe(
    StoragePolicy,
    "How long the messages of a topic are kept.",
    {
        "DISABLED": "They are not kept: current subscribers receive them at most once.",
        "CACHE": "Until one consumer has acknowledged them.",
        "CACHEALL": "Until every current consumer has acknowledged them.",
        "STORE": "For ever.",
    },
)
_describe(
    MessageType,
    "The type of a message.",
    {
        "PING": "Asks the consumers of a topic to answer.",
        "PONG": "Answers a ping.",
        "REQUEST": "Asks a backend module to do something; also the type of ordinary messages.",
        "RESPONSE": "Answers a request.",
        "LOG": "A log line.",
        "INFO": "Asks for, or gives, information about a backend module.",
        "PROGRESS": "Reports the progress of a request.",
        "API_INFO": "Asks for, or gives, the API description of a backend module.",
    },
)
_describe(
    StartPosition,
    "Where a subscription to messages begins.",
    {
        "OUTSTANDING": "With the messages that you have not acknowledged yet.",
        "NEW": "With the next message.",
        "EARLIEST": "With the oldest stored message, acknowledged or not.",
    },
)
_describe(
    PublishStatus,
    "The result of publishing a message.",
    {
        "STORED": "The broker stored the message and will deliver it.",
        "SENT": "The broker sent the message to current subscribers; the topic stores nothing.",
        "DUPLICATE": "The same message was published before and is not delivered again. It may be "
        "acknowledged and removed already.",
    },
)
_describe(
    AcknowledgeStatus,
    "The result of an acknowledgement.",
    {
        "ACKNOWLEDGED": "Your acknowledgement was recorded.",
        "ALREADY_ACKNOWLEDGED": "You had acknowledged the message before.",
        "UNKNOWN": "The message does not exist, or was removed.",
    },
)
_describe(
    TopicOrder,
    "The order of a list of topics.",
    {
        "SLUG": "By slug, from A to Z.",
        "SLUG_DESC": "By slug, from Z to A.",
        "OLDEST": "Oldest first.",
        "NEWEST": "Newest first.",
    },
)
_describe(
    MessageOrder,
    "The order of a list of messages.",
    {"OLDEST": "Oldest first.", "NEWEST": "Newest first."},
)


@strawberry.enum(description="A right on a topic that you can grant to a user or a group.")
class TopicPermission(Enum):
    """The rights that can be granted, under the names of the API."""

    CAN_PRODUCE = strawberry.enum_value(Right.PRODUCE.value, description="Publish and ping.")
    CAN_CONSUME = strawberry.enum_value(
        Right.CONSUME.value, description="Read and acknowledge messages, and answer pings."
    )
    CAN_VIEW_STATUS = strawberry.enum_value(
        Right.VIEW_STATUS.value, description="See whether the topic is online."
    )
    CHANGE = strawberry.enum_value(
        Right.CHANGE.value, description="Change the topic and grant rights on it."
    )
    DELETE = strawberry.enum_value(Right.DELETE.value, description="Delete the topic.")

    @property
    def right(self) -> Right:
        """The right itself."""
        return Right(str(self.value))
