"""The subscriptions."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from datetime import datetime
from typing import Annotated, Any

import strawberry

from dasf_broker.domain.envelope import MessageType
from dasf_broker.domain.events import TopicPinged, TopicPonged
from dasf_broker.operations.subscriptions import heartbeat, messages
from dasf_broker.operations.subscriptions.messages import StartPosition
from dasf_broker.realtime.mailbox import Delivery
from dasf_broker.runtime import current
from dasf_broker.schema.execution.context import Info
from dasf_broker.schema.execution.sharing import shared
from dasf_broker.schema.queries import TopicSlug
from dasf_broker.schema.types.availability import Availability
from dasf_broker.schema.types.connections import given
from dasf_broker.schema.types.messages import Message
from dasf_broker.schema.types.topics import Topic, load_topic
from dasf_broker.schema.types.users import User, load_user


@strawberry.type(
    description="A ping: a user or the server asked the consumers of a topic to answer."
)
class Ping:
    event: strawberry.Private[TopicPinged]

    @shared("The topic.")
    async def topic(self, info: Info) -> Topic:
        return await load_topic(info, self.event.topic_id)

    @shared("When the topic was pinged.")
    def pinged_at(self) -> datetime:
        return self.event.pinged_at

    @shared("The user who pinged; null if it was the server.")
    async def user(self, info: Info) -> User | None:
        return await load_user(info, self.event.user_id)


@strawberry.type(description="A consumer of a topic answered a ping.")
class Pong:
    event: strawberry.Private[TopicPonged]

    @shared("The topic.")
    async def topic(self, info: Info) -> Topic:
        return await load_topic(info, self.event.topic_id)

    @shared("The current availability of the topic.")
    async def availability(self, info: Info) -> Availability:
        return Availability.of((await load_topic(info, self.event.topic_id)).row)

    @shared("When the topic was last pinged; null if it never was.")
    def pinged_at(self) -> datetime | None:
        return self.event.pinged_at

    @shared("When the consumer answered.")
    def ponged_at(self) -> datetime:
        return self.event.ponged_at

    @shared("Seconds from the ping to this answer; null if there was no ping.")
    def round_trip_time(self) -> float | None:
        return self.event.round_trip_time

    @shared("The consumer who answered; null if the account was deleted.")
    async def user(self, info: Info) -> User | None:
        return await load_user(info, self.event.user_id)


@strawberry.type
class Subscription:
    """The subscriptions; the ``Subscription`` type of a schema inherits from them."""

    @strawberry.subscription(
        description="The messages of a topic: first those that you have not acknowledged, then new "
        "ones, in order, each once. Messages that you do not acknowledge are sent again when you "
        "subscribe again."
    )
    def messages(
        self,
        info: Info,
        topic: TopicSlug,
        start: Annotated[
            StartPosition, strawberry.argument(description="Where to begin.")
        ] = StartPosition.OUTSTANDING,
        after: Annotated[
            str | None,
            strawberry.argument(
                description="The `cursor` of the last message that you received: continue after "
                "it. `start` is then ignored."
            ),
        ] = strawberry.UNSET,
        message_types: Annotated[
            list[MessageType] | None,
            strawberry.argument(
                description="Only messages of these types. By default all except PING and API_INFO."
            ),
        ] = strawberry.UNSET,
    ) -> AsyncGenerator[Message, None]:
        # Not a generator itself: it would keep `info`, and with it the whole execution, in memory.
        return _as_messages(
            messages.messages(
                current(),
                info.context.caller,
                topic,
                start=start,
                after=info.context.resume_after or given(after),
                types=given(message_types),
            )
        )

    @strawberry.subscription(
        description="The pings of a topic. Consumers answer them with `pongTopic`."
    )
    async def pings(self, info: Info, topic: TopicSlug) -> AsyncGenerator[Ping, None]:
        async with aclosing(heartbeat.pings(current(), info.context.caller, topic)) as stream:  # type: ignore[type-var]
            async for event in stream:
                yield Ping(event=event)

    @strawberry.subscription(description="The answers of consumers to pings of a topic.")
    async def pongs(self, info: Info, topic: TopicSlug) -> AsyncGenerator[Pong, None]:
        async with aclosing(heartbeat.pongs(current(), info.context.caller, topic)) as stream:  # type: ignore[type-var]
            async for event in stream:
                yield Pong(event=event)

    @strawberry.subscription(
        description="Whether the consumers of a topic answer pings: the current value, then each "
        "change. A ping that is answered promptly does not change it to OFFLINE."
    )
    async def availability(
        self, info: Info, topic: TopicSlug
    ) -> AsyncGenerator[Availability, None]:
        stream: Any = heartbeat.availability(current(), info.context.caller, topic)
        async with aclosing(stream) as rows:
            async for row in rows:
                yield Availability.of(row)


async def _as_messages(deliveries: AsyncIterator[Delivery]) -> AsyncGenerator[Message, None]:
    async with aclosing(deliveries):  # type: ignore[type-var]
        async for each in deliveries:
            yield Message(event=each.message, missed=each.missed, memo=each.memo)
            del each  # it may be large, and the next one long in coming
