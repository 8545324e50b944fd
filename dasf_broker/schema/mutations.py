"""The mutations. Each decodes its arguments, calls one operation, and encodes the result."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated
from uuid import UUID

import strawberry

from dasf_broker import database, runtime
from dasf_broker.domain.publishing import Published
from dasf_broker.exceptions import BadInputError, BrokerError
from dasf_broker.operations.access import consumable
from dasf_broker.operations.acknowledge import (
    Acknowledging,
    count_fresh,
)
from dasf_broker.operations.heartbeat import pong
from dasf_broker.operations.publications import Publication
from dasf_broker.operations.storage.lock import write_topic
from dasf_broker.operations.topics import (
    delete_topic,
    grant_permission,
    revoke_permission,
    update_topic,
)
from dasf_broker.operations.writer import create_topic, ping, raised
from dasf_broker.schema.enums import TopicPermission
from dasf_broker.schema.execution.context import Info
from dasf_broker.schema.inputs import CreateTopicInput, PublishMessageInput, UpdateTopicInput
from dasf_broker.schema.payloads import (
    AcknowledgeMessagePayload,
    AcknowledgeMessagesPayload,
    DeleteTopicPayload,
    ItemError,
    PingTopicPayload,
    PongTopicPayload,
    PublishMessagePayload,
    PublishMessagesPayload,
    PublishResult,
    TopicPayload,
)
from dasf_broker.schema.queries import TopicSlug
from dasf_broker.schema.types.connections import given
from dasf_broker.schema.types.messages import Message
from dasf_broker.schema.types.topics import topic_type

#: Most items in one mutation.
MAX_ITEMS = 500

MessageId = Annotated[UUID, strawberry.argument(description="The id of the message.")]
Permission = Annotated[TopicPermission, strawberry.argument(description="The right.")]
Username = Annotated[str | None, strawberry.argument(description="The user. Give this or `group`.")]
GroupName = Annotated[
    str | None, strawberry.argument(description="The group. Give this or `username`.")
]


@strawberry.type
class Mutation:
    """The mutations of the broker; the ``Mutation`` type of a schema inherits from them."""

    @strawberry.mutation(
        description="Publish a message. When the answer is STORED, the message is safe."
    )
    async def publish_message(
        self,
        info: Info,
        input: Annotated[PublishMessageInput, strawberry.argument(description="The message.")],
    ) -> PublishMessagePayload:
        publication = input.publication(info.context.caller)
        info.context.publishing.spend(publication.envelope.size)
        published = await runtime.current().writer.publish_one(publication)
        return PublishMessagePayload.of(published)

    @strawberry.mutation(
        description="Publish at most 500 messages at once. A refused message has an `error` in its "
        "result; the other messages are published."
    )
    async def publish_messages(
        self,
        info: Info,
        inputs: Annotated[
            list[PublishMessageInput], strawberry.argument(description="The messages, in order.")
        ],
    ) -> PublishMessagesPayload:
        _check_count(len(inputs), "inputs")
        drafts = [*_publications(inputs, info)]
        publications = [each for each in drafts if isinstance(each, Publication)]
        outcomes = iter(
            await runtime.current().writer.publish(publications) if publications else ()
        )
        results = [
            _result(each, next(outcomes) if isinstance(draft, Publication) else draft)
            for each, draft in zip(inputs, drafts, strict=True)
        ]
        return PublishMessagesPayload(results=results)

    @strawberry.mutation(
        description="Acknowledge a message that you have processed: you will not receive it again."
    )
    async def acknowledge_message(
        self, info: Info, topic: TopicSlug, message_id: MessageId
    ) -> AcknowledgeMessagePayload:
        item = Acknowledging(info.context.caller, topic, message_id)
        return AcknowledgeMessagePayload.of(await runtime.current().writer.acknowledge_one(item))

    @strawberry.mutation(
        description="Acknowledge several messages: by their ids (at most 500), or all up to and "
        "including the message with a cursor."
    )
    async def acknowledge_messages(
        self,
        info: Info,
        topic: TopicSlug,
        message_ids: Annotated[
            list[UUID] | None, strawberry.argument(description="The ids. Give this or `upTo`.")
        ] = strawberry.UNSET,
        up_to: Annotated[
            str | None, strawberry.argument(description="A cursor. Give this or `messageIds`.")
        ] = strawberry.UNSET,
    ) -> AcknowledgeMessagesPayload:
        caller, wanted, cursor = info.context.caller, given(message_ids), given(up_to)
        if (wanted is None) == (cursor is None):
            raise BadInputError("Give either messageIds or upTo.", field="messageIds")
        if cursor is not None:
            count = await runtime.current().writer.acknowledge_up_to(caller, topic, cursor)
            return AcknowledgeMessagesPayload(results=[], acknowledged=count)
        _check_count(len(wanted), "messageIds")
        await database.read(consumable, caller, topic)  # checked for an empty list, too
        items = [Acknowledging(caller, topic, each) for each in wanted]
        done = (
            [raised(each) for each in await runtime.current().writer.acknowledge(items)]
            if items
            else []
        )
        return AcknowledgeMessagesPayload(
            results=[AcknowledgeMessagePayload.of(each) for each in done],
            acknowledged=count_fresh(done),
        )

    @strawberry.mutation(
        description="Ask the consumers of a topic to answer. Subscribe to `pongs` for the answers."
    )
    async def ping_topic(self, info: Info, topic: TopicSlug) -> PingTopicPayload:
        done = await ping(info.context.caller, topic)
        return PingTopicPayload(topic=topic_type(done.access.topic), pinged_at=done.pinged_at)

    @strawberry.mutation(description="Answer a ping, as a consumer of the topic.")
    async def pong_topic(self, info: Info, topic: TopicSlug) -> PongTopicPayload:
        done = await write_topic(pong, info.context.caller, topic)
        return PongTopicPayload(
            topic=topic_type(done.access.topic),
            ponged_at=done.ponged_at,
            round_trip_time=done.round_trip_time,
        )

    @strawberry.mutation(
        description="Create a topic. You may then publish to it, see its status, change and "
        "delete it, and grant rights on it; grant yourself CAN_CONSUME to read its messages."
    )
    async def create_topic(
        self,
        info: Info,
        input: Annotated[CreateTopicInput, strawberry.argument(description="The topic.")],
    ) -> TopicPayload:
        found = await create_topic(info.context.caller, input.slug, input.options())
        return TopicPayload(topic=topic_type(found.topic))

    @strawberry.mutation(description="Change a topic.")
    async def update_topic(
        self,
        info: Info,
        input: Annotated[UpdateTopicInput, strawberry.argument(description="The changes.")],
    ) -> TopicPayload:
        found = await write_topic(update_topic, info.context.caller, input.topic, input.options())
        return TopicPayload(topic=topic_type(found.topic))

    @strawberry.mutation(
        description="Delete a topic, its messages and its response topics. Their subscriptions end."
    )
    async def delete_topic(self, info: Info, topic: TopicSlug) -> DeleteTopicPayload:
        await write_topic(delete_topic, info.context.caller, topic)
        return DeleteTopicPayload(slug=topic)

    @strawberry.mutation(description="Grant a right on a topic to a user or a group.")
    async def grant_permission(
        self,
        info: Info,
        topic: TopicSlug,
        permission: Permission,
        username: Username = strawberry.UNSET,
        group: GroupName = strawberry.UNSET,
    ) -> TopicPayload:
        found = await write_topic(
            grant_permission,
            info.context.caller,
            topic,
            permission.right,
            username=given(username),
            group=given(group),
        )
        return TopicPayload(topic=topic_type(found.topic))

    @strawberry.mutation(description="Revoke a right on a topic from a user or a group.")
    async def revoke_permission(
        self,
        info: Info,
        topic: TopicSlug,
        permission: Permission,
        username: Username = strawberry.UNSET,
        group: GroupName = strawberry.UNSET,
    ) -> TopicPayload:
        found = await write_topic(
            revoke_permission,
            info.context.caller,
            topic,
            permission.right,
            username=given(username),
            group=given(group),
        )
        return TopicPayload(topic=topic_type(found.topic))


def _check_count(count: int, field: str) -> None:
    if count > MAX_ITEMS:
        raise BadInputError(f"{field} takes up to {MAX_ITEMS} items, not {count}.", field=field)


def _publications(
    messages: list[PublishMessageInput], info: Info
) -> Iterator[Publication | BrokerError]:
    """Yield a publication or an error for each message; raise if they are too large together."""
    for each in messages:
        try:
            publication = each.publication(info.context.caller)
        except BrokerError as error:
            yield error
        else:
            info.context.publishing.spend(publication.envelope.size)
            yield publication


def _result(message: PublishMessageInput, outcome: Published | BrokerError) -> PublishResult:
    if isinstance(outcome, BrokerError):
        return PublishResult(
            message_id=given(message.message_id),
            status=None,
            error=ItemError.of(outcome),
            message=None,
            warning=None,
        )
    return PublishResult(
        message_id=outcome.message.message_id,
        status=outcome.status,
        error=None,
        message=Message.of(outcome.message),
        warning=outcome.warning,
    )
