"""Publishing and subscribing without a door, as the tests of operations need it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from typing import cast

from django.contrib.auth.models import User

from dasf_broker import database
from dasf_broker.domain.envelope import Envelope, MessageType, decode_text
from dasf_broker.domain.publishing import Published
from dasf_broker.models import BrokerTopic
from dasf_broker.operations.caller import Caller
from dasf_broker.operations.publications import Publication
from dasf_broker.operations.publish import publish_batch
from dasf_broker.operations.subscriptions import messages as subscriptions
from dasf_broker.operations.subscriptions.messages import StartPosition
from dasf_broker.realtime.mailbox import Delivery, Mailbox
from dasf_broker.runtime import current

#: Seconds after which something that should happen is not going to.
DEADLINE = 30.0


def publication(
    user: User, text: str = "x", kind: MessageType = MessageType.REQUEST
) -> Publication:
    """Return a message for the topic ``topic``."""
    envelope = Envelope.compose(max_size=1000, text=text, message_type=kind)
    return Publication(Caller(user), "topic", envelope)


async def publish(
    user: User, count: int, *, text: str = "x", kind: MessageType = MessageType.REQUEST
) -> list[Published]:
    """Publish messages in one transaction, as another process would: not through the writer."""
    batch = [publication(user, text, kind) for _ in range(count)]
    outcomes = await database.write(publish_batch, batch)
    assert all(isinstance(each, Published) for each in outcomes), outcomes
    return cast("list[Published]", outcomes)


@asynccontextmanager
async def messages(
    user: User,
    *,
    start: StartPosition = StartPosition.OUTSTANDING,
    after: str | None = None,
    types: Collection[MessageType] | None = None,
) -> AsyncIterator[AsyncGenerator[Delivery, None]]:
    """Subscribe to the messages of ``topic``, as long as the context lasts."""
    stream = cast(
        "AsyncGenerator[Delivery, None]",
        subscriptions.messages(
            current(), Caller(user), "topic", start=start, after=after, types=types
        ),
    )
    try:
        yield stream
    finally:
        await stream.aclose()


async def next_of(stream: AsyncIterator[Delivery]) -> Delivery:
    """Return the next message."""
    return await asyncio.wait_for(anext(stream), DEADLINE)


async def take(stream: AsyncIterator[Delivery], count: int) -> list[int | None]:
    """Return the sequences of the next messages."""
    return [(await next_of(stream)).message.sequence for _ in range(count)]


async def read_first(user: User, count: int) -> list[int | None]:
    """Return the sequences of the first messages of a new subscription."""
    async with messages(user) as stream:
        return await take(stream, count)


def text_of(received: Delivery) -> str | None:
    """Return the text of a message."""
    return decode_text(received.message.content["payload"])


async def until_listening(topic: BrokerTopic) -> Mailbox:
    """Wait until the one subscriber has read its backlog and waits; return its mailbox."""

    def waiting() -> list[Mailbox]:
        found = current().hub.subscribers(topic.pk)
        boxes = found.mailboxes if found is not None else ()
        return [each for each in boxes if each._waiter is not None]

    await until(waiting)
    [mailbox] = waiting()
    return mailbox


async def until_open(topic: BrokerTopic) -> None:
    """Wait until there is a subscriber from whom nothing that comes now is kept."""
    await until(
        lambda: (found := current().hub.subscribers(topic.pk)) and found.position is not None
    )


async def until_passed_on(topic: BrokerTopic, sequence: int) -> None:
    """Wait until the hub has passed on all messages up to one."""
    await until(
        lambda: (found := current().hub.subscribers(topic.pk)) and found.position == sequence
    )


async def until(condition: Callable[[], object]) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(DEADLINE):
        while not condition():  # noqa: ASYNC110 - what is looked at rings no bell
            await asyncio.sleep(0.001)
