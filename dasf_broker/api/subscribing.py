"""Receive messages, and acknowledge them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection
from contextlib import aclosing
from dataclasses import dataclass, field, fields
from typing import cast
from uuid import UUID

from dasf_broker import runtime
from dasf_broker.api import writing
from dasf_broker.api.calling import AnyUser, acaller_of, caller_of, synchronous
from dasf_broker.api.stream import Stream
from dasf_broker.domain.envelope import MessageType, check_message_type, check_uuid
from dasf_broker.domain.events import MessagePublished
from dasf_broker.operations import acknowledge as operations
from dasf_broker.operations.acknowledge import Acknowledged, Acknowledging
from dasf_broker.operations.caller import Caller
from dasf_broker.operations.subscriptions.messages import StartPosition, messages
from dasf_broker.realtime.announcer import flush
from dasf_broker.realtime.mailbox import Delivery
from dasf_broker.realtime.sender import SEND_TIMEOUT


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedMessage(MessagePublished):
    """A message as :func:`subscribe` yields it."""

    #: How many messages right before this one were lost, because the subscriber was too slow.
    #: Always 0 for topics that store messages.
    missed: int
    _caller: Caller = field(repr=False, compare=False)

    @classmethod
    def _of(cls, delivery: Delivery, caller: Caller) -> ReceivedMessage:
        event = delivery.message
        parts = {each.name: getattr(event, each.name) for each in fields(event) if each.init}
        return cls(**parts, missed=delivery.missed, _caller=caller)

    async def acknowledge(self) -> Acknowledged:
        """Acknowledge the message: you have processed it and do not want it again.

        Raises
        ------
        ForbiddenError
            The subscriber may no longer consume, or is the server itself.
        """
        return await writing.acknowledge(
            Acknowledging(self._caller, self.topic_slug, self.message_id)
        )


def subscribe(
    topic: str,
    *,
    user: AnyUser | None = None,
    start: StartPosition = StartPosition.OUTSTANDING,
    after: str | None = None,
    message_types: Collection[MessageType | str] | None = None,
) -> Stream[ReceivedMessage]:
    """Return the messages of a topic: first outstanding ones, then new ones, without end.

    Messages that you do not acknowledge come again with the next subscription. The subscription
    begins when you begin to iterate.

    Parameters
    ----------
    topic
        The slug of the topic.
    user
        The subscriber, who needs the right to consume. Without one it is the server itself, which
        gets all messages and cannot acknowledge them.
    start
        Where to begin if ``after`` is not given.
    after
        The ``cursor`` of the last message that you received: continue behind it.
    message_types
        Receive only these types; without it all but pings and requests for the API description.

    Raises
    ------
    BadInputError, NotFoundError, ForbiddenError
        While iterating: an argument is not a slug, a cursor or a type; the topic does not exist or
        the user may not see it; the user may not consume from it. The last two also later, when
        the topic is deleted or the right is taken away.
    CursorExpiredError
        Messages behind the cursor were removed.
    UnavailableError
        The database does not answer, or the server is going down: subscribe again.
    """
    return Stream(_received(topic, user, start, after, message_types))


async def _received(
    topic: str,
    user: AnyUser | None,
    start: StartPosition,
    after: str | None,
    message_types: Collection[MessageType | str] | None,
) -> AsyncGenerator[ReceivedMessage, None]:
    types = None if message_types is None else [check_message_type(each) for each in message_types]
    caller, services = await acaller_of(user), runtime.current()
    # What the host's own code does counts for no rate.
    stream = messages(
        services, caller, topic, start=start, after=after, types=types, is_limited=False
    )
    try:
        async with aclosing(cast("AsyncGenerator[Delivery, None]", stream)) as deliveries:
            async for delivery in deliveries:
                yield ReceivedMessage._of(delivery, caller)
    finally:
        await flush(SEND_TIMEOUT)  # the topic is pinged when its last consumer leaves


@synchronous(instead="aacknowledge")
def acknowledge(topic: str, message_id: UUID | str, *, user: AnyUser) -> Acknowledged:
    """Acknowledge a message: the user has processed it and does not want it again.

    An unknown message, or one that was acknowledged before, is an answer and not an error.

    Raises
    ------
    BadInputError
        The topic is not a slug, or the id is not a UUID.
    NotFoundError, ForbiddenError
        The topic does not exist or the user may not see it; the user may not consume from it.
    """
    return operations.acknowledge(Acknowledging(caller_of(user), topic, check_uuid(message_id)))


async def aacknowledge(topic: str, message_id: UUID | str, *, user: AnyUser) -> Acknowledged:
    """Do as :func:`acknowledge` from asynchronous code, in a transaction of its own."""
    caller = await acaller_of(user)
    return await writing.acknowledge(Acknowledging(caller, topic, check_uuid(message_id)))
