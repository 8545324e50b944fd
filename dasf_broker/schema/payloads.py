"""The payloads of mutations."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import strawberry

from dasf_broker.answers import answer_to
from dasf_broker.domain.publishing import Published, PublishStatus
from dasf_broker.exceptions import BrokerError
from dasf_broker.operations.acknowledge import Acknowledged, AcknowledgeStatus
from dasf_broker.schema.types.messages import Message
from dasf_broker.schema.types.topics import Topic

WARNING = (
    "Why the backend modules of the topic will neither answer nor acknowledge the message; null if "
    "they will, or if the topic has none."
)


@strawberry.type(description="The result of publishing a message.")
class PublishMessagePayload:
    message: Message = strawberry.field(
        description="The message. For a duplicate, the message that was published first; if it was "
        "removed already, its `deliveredTo` is empty."
    )
    status: PublishStatus = strawberry.field(description="The result of publishing it.")
    topic_created: bool = strawberry.field(description="Whether this message created the topic.")
    response_topic: str | None = strawberry.field(
        description="The topic for answers. Subscribe to its messages to receive them."
    )
    warning: str | None = strawberry.field(description=WARNING)

    @classmethod
    def of(cls, published: Published) -> PublishMessagePayload:
        """Return an operation's result as the API shows it."""
        return cls(
            message=Message.of(published.message),
            status=published.status,
            topic_created=published.topic_created,
            response_topic=published.response_topic,
            warning=published.warning,
        )


@strawberry.type(description="Why one of several items was refused.")
class ItemError:
    code: str = strawberry.field(
        description="The stable code of the error, as in `extensions.code`."
    )
    message: str = strawberry.field(description="The error as text for people.")
    field: str | None = strawberry.field(
        description="The input field that is wrong; null if the error concerns no single field."
    )
    log_id: str | None = strawberry.field(
        description="The id under which the server's log has the cause, for `UNAVAILABLE` and "
        "`INTERNAL`."
    )

    @classmethod
    def of(cls, error: BrokerError) -> ItemError:
        """Return an error as the API shows it."""
        answer = answer_to(error)
        details = answer.extensions
        return cls(
            code=details["code"],
            message=answer.message,
            field=details.get("field"),
            log_id=details.get("logId"),
        )


@strawberry.type(description="The result of publishing one of several messages.")
class PublishResult:
    message_id: UUID | None = strawberry.field(
        description="The id of the message; null if it was refused before it got an id."
    )
    status: PublishStatus | None = strawberry.field(
        description="The result of publishing it; null if it was refused."
    )
    error: ItemError | None = strawberry.field(
        description="Why the message was refused; null if it was published."
    )
    message: Message | None = strawberry.field(description="The message; null if it was refused.")
    warning: str | None = strawberry.field(description=WARNING)


@strawberry.type(description="The results of publishing several messages.")
class PublishMessagesPayload:
    results: list[PublishResult] = strawberry.field(
        description="One result for each input, in their order."
    )


@strawberry.type(description="The result of acknowledging a message.")
class AcknowledgeMessagePayload:
    message_id: UUID = strawberry.field(description="The id of the message.")
    status: AcknowledgeStatus = strawberry.field(
        description="Whether the acknowledgement was recorded."
    )
    removed: bool = strawberry.field(
        description="Whether the message was removed, because no consumer needs it any more."
    )

    @classmethod
    def of(cls, done: Acknowledged) -> AcknowledgeMessagePayload:
        """Return an operation's result as the API shows it."""
        return cls(message_id=done.message_id, status=done.status, removed=done.removed)


@strawberry.type(description="The results of acknowledging several messages.")
class AcknowledgeMessagesPayload:
    results: list[AcknowledgeMessagePayload] = strawberry.field(
        description="One result for each of `messageIds`, in their order; none for `upTo`."
    )
    acknowledged: int = strawberry.field(
        description="How many messages you acknowledged that you had not acknowledged before."
    )


@strawberry.type(description="The ping was sent.")
class PingTopicPayload:
    topic: Topic = strawberry.field(description="The topic.")
    pinged_at: datetime = strawberry.field(description="When it was pinged.")


@strawberry.type(description="Your answer to a ping was recorded.")
class PongTopicPayload:
    topic: Topic = strawberry.field(description="The topic.")
    ponged_at: datetime = strawberry.field(description="When you answered.")
    round_trip_time: float | None = strawberry.field(
        description="Seconds since the last ping; null if there was none."
    )


@strawberry.type(
    description="A topic was created or changed, or a right on it was granted or revoked."
)
class TopicPayload:
    """The payload of the mutations that create or change a topic."""

    topic: Topic = strawberry.field(description="The topic after the change.")


@strawberry.type(description="A topic was deleted.")
class DeleteTopicPayload:
    slug: str = strawberry.field(description="The slug of the deleted topic.")
