"""What mutations answer."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import strawberry

from dasf_broker.domain.publishing import Published, PublishStatus
from dasf_broker.exceptions import BrokerError
from dasf_broker.operations.acknowledge import Acknowledged, AcknowledgeStatus
from dasf_broker.schema.types.messages import Message
from dasf_broker.schema.types.topics import Topic


@strawberry.type(description="What became of a message that you published.")
class PublishMessagePayload:
    message: Message = strawberry.field(
        description="The message; for a duplicate the one that was published first. Where it was "
        "removed meanwhile, nobody is left who acknowledged it."
    )
    status: PublishStatus = strawberry.field(description="What became of it.")
    topic_created: bool = strawberry.field(
        description="Whether the topic did not exist before and was created."
    )
    response_topic: str | None = strawberry.field(
        description="The topic that answers will come on: subscribe to its messages."
    )

    @classmethod
    def of(cls, published: Published) -> PublishMessagePayload:
        """Return an operation's result as the API shows it."""
        return cls(
            message=Message.of(published.message),
            status=published.status,
            topic_created=published.topic_created,
            response_topic=published.response_topic,
        )


@strawberry.type(description="Why one item of several could not be done.")
class ItemError:
    code: str = strawberry.field(description="The stable code, as in `extensions.code`.")
    message: str = strawberry.field(description="What is wrong, for people.")
    field: str | None = strawberry.field(
        description="The input field that is wrong, where it is one."
    )

    @classmethod
    def of(cls, error: BrokerError) -> ItemError:
        """Return an error as the API shows it."""
        return cls(code=error.code, message=str(error), field=error.details.get("field"))


@strawberry.type(description="What became of one of several messages.")
class PublishResult:
    message_id: UUID | None = strawberry.field(
        description="The id of the message; null where the input was refused before it had one."
    )
    status: PublishStatus | None = strawberry.field(
        description="What became of it; null where it was refused."
    )
    error: ItemError | None = strawberry.field(description="Why it was refused.")
    message: Message | None = strawberry.field(description="The message, if it was published.")


@strawberry.type(description="What became of several messages that you published.")
class PublishMessagesPayload:
    results: list[PublishResult] = strawberry.field(
        description="One result for each input, in their order."
    )


@strawberry.type(description="What an acknowledgement did.")
class AcknowledgeMessagePayload:
    message_id: UUID = strawberry.field(description="The id of the message.")
    status: AcknowledgeStatus = strawberry.field(description="What it did.")
    removed: bool = strawberry.field(
        description="Whether nobody needs the message any more and it was removed."
    )

    @classmethod
    def of(cls, done: Acknowledged) -> AcknowledgeMessagePayload:
        """Return an operation's result as the API shows it."""
        return cls(message_id=done.message_id, status=done.status, removed=done.removed)


@strawberry.type(description="What several acknowledgements did.")
class AcknowledgeMessagesPayload:
    results: list[AcknowledgeMessagePayload] = strawberry.field(
        description="One result for each of `messageIds`, in their order; none for `upTo`."
    )
    acknowledged: int = strawberry.field(
        description="How many messages were acknowledged that were not before."
    )


@strawberry.type(description="A ping went out.")
class PingTopicPayload:
    topic: Topic = strawberry.field(description="The topic.")
    pinged_at: datetime = strawberry.field(description="When it was pinged.")


@strawberry.type(description="Your answer to a ping was noted.")
class PongTopicPayload:
    topic: Topic = strawberry.field(description="The topic.")
    ponged_at: datetime = strawberry.field(description="When you answered.")
    round_trip_time: float | None = strawberry.field(
        description="Seconds since the last ping; null where there was none."
    )


@strawberry.type(description="A topic was created or changed, or rights on it were.")
class TopicPayload:
    """The answer to the mutations of topics."""

    topic: Topic = strawberry.field(description="The topic as it is now.")


@strawberry.type(description="A topic was deleted.")
class DeleteTopicPayload:
    slug: str = strawberry.field(description="The slug of the topic that is gone.")
