"""Listen to a topic: first what is outstanding, then what happens, nothing twice.

"Subscribe, then fetch": the mailbox is opened before the database is read, so that nothing can
fall between the two; what comes both ways is recognised by its sequence.
"""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from channels.layers import get_channel_layer
from django.utils import timezone

from dasf_broker import app_settings, database
from dasf_broker.domain.availability import expires_at
from dasf_broker.domain.cursors import decode_message_cursor
from dasf_broker.domain.envelope import MACHINE_TYPES, MessageType
from dasf_broker.domain.events import MessagePublished, TopicPinged, TopicPonged
from dasf_broker.domain.storage import is_stored
from dasf_broker.exceptions import CursorExpiredError, NotFoundError, UnavailableError
from dasf_broker.models import BrokerMessage, BrokerTopic, BrokerTopicQuerySet
from dasf_broker.operations.access import Access, access
from dasf_broker.operations.caller import Caller
from dasf_broker.operations.publish import message_event
from dasf_broker.realtime.hub import Hub
from dasf_broker.realtime.mailbox import Delivery, Mailbox

#: Rows of a backlog read at a time.
PAGE = 100


class StartPosition(StrEnum):
    """Where a subscription to messages begins."""

    #: With what the subscriber has not acknowledged yet.
    OUTSTANDING = "OUTSTANDING"
    #: With the next message.
    NEW = "NEW"
    #: With the oldest message that is still stored, acknowledged or not.
    EARLIEST = "EARLIEST"


@dataclass(frozen=True, slots=True)
class Received:
    """A message as one subscriber gets it."""

    delivery: Delivery
    #: How many messages of a topic that stores nothing were lost before this one, because the
    #: subscriber was too slow.
    dropped: int = 0

    @property
    def message(self) -> MessagePublished:
        """The message itself, shared with the other subscribers of this process."""
        assert isinstance(self.delivery.event, MessagePublished)
        return self.delivery.event


async def messages(
    caller: Caller,
    slug: str,
    *,
    start: StartPosition = StartPosition.OUTSTANDING,
    after: str | None = None,
    types: Collection[MessageType] | None = None,
) -> AsyncIterator[Received]:
    """Yield the messages of a topic, for ever.

    Parameters
    ----------
    caller
        Who listens; needs the right to consume.
    slug
        The topic.
    start
        Where to begin, unless ``after`` says.
    after
        The cursor of the last message that was received: continue behind it.
    types
        Only these; without it all but pings and requests for the API description.

    Raises
    ------
    BadInputError, NotFoundError, ForbiddenError
        Not a slug or a cursor; not visible; not allowed.
    CursorExpiredError
        What comes behind the cursor is no longer complete.
    """
    found = await database.read(_consumable, caller, slug)
    wanted = frozenset(MessageType) - MACHINE_TYPES if types is None else frozenset(types)
    backlog = _Backlog(
        topic_id=found.topic.pk,
        reader_id=None if start is StartPosition.EARLIEST and after is None else caller.user.pk,
        types=wanted,
    )
    async with get_hub().subscription(found.topic.pk, {MessagePublished}) as (mailbox, newest):
        position = await _first_position(found, start, after, newest)
        async for received in _follow(mailbox, backlog, position):
            if received.message.message_type in wanted:
                yield received


async def _follow(mailbox: Mailbox, backlog: _Backlog, position: int) -> AsyncIterator[Received]:
    while True:
        mailbox.catch_up()
        while page := await database.read(backlog.read, position):
            for row in page:
                assert row.sequence is not None
                position = row.sequence
                yield Received(Delivery(row))
        while (delivery := await mailbox.get()) is not None:
            sequence = delivery.event.sequence  # type: ignore[attr-defined]
            if sequence is None:
                yield Received(delivery, dropped=mailbox.take_dropped())
            elif sequence > position:
                position = sequence
                yield Received(delivery)


async def pings(caller: Caller, slug: str) -> AsyncIterator[TopicPinged]:
    """Yield the pings of a topic, for consumers that answer them.

    Raises
    ------
    BadInputError, NotFoundError, ForbiddenError
        Not a slug; not visible; the caller may not consume.
    """
    found = await database.read(_consumable, caller, slug)
    async with get_hub().subscription(found.topic.pk, {TopicPinged}) as (mailbox, _):
        while (delivery := await mailbox.get()) is not None:
            yield delivery.event  # type: ignore[misc]


async def pongs(caller: Caller, slug: str) -> AsyncIterator[TopicPonged]:
    """Yield the answers of a topic's consumers. Who may see the topic may listen.

    Raises
    ------
    BadInputError, NotFoundError
        Not a slug; not visible.
    """
    found = await database.read(access, caller, slug)
    async with get_hub().subscription(found.topic.pk, {TopicPonged}) as (mailbox, _):
        while (delivery := await mailbox.get()) is not None:
            yield delivery.event  # type: ignore[misc]


async def availability(caller: Caller, slug: str) -> AsyncIterator[BrokerTopic]:
    """Yield the topic as it is now, then each time its availability changed.

    A ping makes a topic offline until it is answered. That is not reported before its consumers
    had ``DASF_PONG_GRACE`` seconds to answer.

    Raises
    ------
    BadInputError, NotFoundError
        Not a slug; not visible.
    """
    found = await database.read(access, caller, slug)
    topic_id = found.topic.pk
    async with get_hub().subscription(topic_id, {TopicPinged, TopicPonged}) as (mailbox, _):
        topic = await database.read(_topic, topic_id)
        reported = _heartbeat(topic)
        yield topic
        while True:
            await _wait_for_change(mailbox, topic)
            topic = await database.read(_topic, topic_id)
            if not _is_answer_pending(topic) and _heartbeat(topic) != reported:
                reported = _heartbeat(topic)
                yield topic


def get_hub() -> Hub:
    """Return the hub of the running event loop.

    Raises
    ------
    UnavailableError
        No channel layer is configured.
    """
    loop = asyncio.get_running_loop()
    if loop not in _hubs:
        layer = get_channel_layer()
        if layer is None:
            raise UnavailableError("The broker has no channel layer: set CHANNEL_LAYERS.")
        _hubs[loop] = Hub(layer, _load_heads, _load_messages)
    return _hubs[loop]


async def close_hub() -> None:
    """Close the hub of the running event loop, if it has one."""
    hub = _hubs.pop(asyncio.get_running_loop(), None)
    if hub is not None:
        await hub.close()


_hubs: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Hub] = weakref.WeakKeyDictionary()


# --- where a subscription begins --------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Backlog:
    """What a subscriber reads from the database when it is behind."""

    topic_id: int
    #: Leave out what this user acknowledged; ``None``: leave out nothing.
    reader_id: Any
    types: frozenset[MessageType]

    def read(self, position: int) -> list[MessagePublished]:
        """Return the next page behind a sequence, in order."""
        rows = _rows(self.topic_id).after(position).of_types(self.types)
        if self.reader_id is not None:
            rows = rows.not_acknowledged_by(self.reader_id)
        return [message_event(row) for row in rows[:PAGE]]


def _consumable(caller: Caller, slug: str) -> Access:
    found = access(caller, slug)
    return found.require(found.rights.may_consume, to="consume from")


async def _first_position(
    found: Access, start: StartPosition, after: str | None, newest: int
) -> int:
    if after is not None:
        return await database.read(_position_after, found.topic.pk, after)
    return newest if start is StartPosition.NEW else 0


def _position_after(topic_id: int, after: str) -> int:
    cursor_topic, position = decode_message_cursor(after, field="after")
    topic = _topic(topic_id)
    honoured = (
        cursor_topic == topic_id
        and topic.expired_sequence <= position <= topic.last_sequence
        and is_stored(topic.storage_policy)
    )
    if not honoured:
        raise CursorExpiredError(
            f"The cursor {after!r} can no longer be honoured: messages behind it may be gone. "
            "Subscribe again without `after`."
        )
    return position


# --- availability -----------------------------------------------------------------------------


def _heartbeat(topic: BrokerTopic) -> tuple[bool | None, datetime | None, datetime | None]:
    return topic.availability, topic.last_ping, topic.last_pong


def _is_answer_pending(topic: BrokerTopic) -> bool:
    return topic.availability is False and timezone.now() < _grace_ends(topic)


def _grace_ends(topic: BrokerTopic) -> datetime:
    assert topic.last_ping is not None
    return topic.last_ping + timedelta(seconds=app_settings.DASF_PONG_GRACE)


async def _wait_for_change(mailbox: Mailbox, topic: BrokerTopic) -> None:
    """Wait for a ping, a pong, or the moment at which the answer changes by itself."""
    try:
        async with asyncio.timeout(_seconds_to_change(topic)):
            await mailbox.get()
    except TimeoutError:
        pass


def _seconds_to_change(topic: BrokerTopic) -> float | None:
    if topic.availability is None:
        return None
    moment = (
        _grace_ends(topic)
        if _is_answer_pending(topic)
        else expires_at(topic.last_ping, supports_dasf=topic.supports_dasf)
    )
    assert moment is not None
    # A little later than the moment itself, so that the rule has changed its mind by then.
    return max((moment - timezone.now()).total_seconds(), 0) + 0.01


# --- what the hub reads -----------------------------------------------------------------------


def _rows(topic_id: int) -> Any:
    rows = BrokerMessage.objects.filter(topic=topic_id).order_by("sequence")
    return rows.select_related("topic__responsetopic")


def _topic(topic_id: int) -> BrokerTopic:
    topics: BrokerTopicQuerySet = BrokerTopic.objects.with_response_info()
    topic = topics.filter(pk=topic_id).first()
    if topic is None:
        raise NotFoundError("The topic was deleted.")
    return topic


async def _load_heads(topic_ids: Collection[int]) -> Mapping[int, int]:
    def load() -> dict[int, int]:
        topics = BrokerTopic.objects.filter(pk__in=topic_ids)
        return dict(topics.order_by().values_list("pk", "last_sequence"))

    return await database.read(load)


async def _load_messages(topic_id: int, position: int, limit: int) -> Sequence[MessagePublished]:
    def load() -> list[MessagePublished]:
        return [message_event(row) for row in _rows(topic_id).after(position)[:limit]]

    return await database.read(load)
