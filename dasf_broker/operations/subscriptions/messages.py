"""Subscribe to a topic: first outstanding messages, then new ones, none of them twice.

"Subscribe, then fetch": the mailbox is opened before the database is read, so that no message is
lost between the two; a message that comes both ways is recognised by its sequence.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from dasf_broker import database
from dasf_broker.domain.cursors import decode_message_cursor
from dasf_broker.domain.envelope import MACHINE_TYPES, MessageType
from dasf_broker.domain.storage import is_stored
from dasf_broker.exceptions import (
    BrokerError,
    CursorExpiredError,
    SlowConsumerError,
    UnavailableError,
)
from dasf_broker.models import BrokerTopic
from dasf_broker.operations.caller import Caller
from dasf_broker.operations.subscriptions.consumers import consuming
from dasf_broker.operations.subscriptions.hub_access import (
    load_topic,
    missing_page,
    stored_messages,
)
from dasf_broker.operations.subscriptions.revocation import end_when_revoked
from dasf_broker.operations.subscriptions.services import Services
from dasf_broker.operations.subscriptions.shared_access import admit_subscriber, shared_access
from dasf_broker.realtime.mailbox import Delivery
from dasf_broker.realtime.page_size import MissingPage, read_missing

#: The types for a subscriber that names none.
_FOR_PEOPLE = frozenset(MessageType) - MACHINE_TYPES


class StartPosition(StrEnum):
    """Where a subscription to messages begins."""

    #: With the messages that the subscriber has not acknowledged yet.
    OUTSTANDING = "OUTSTANDING"
    #: With the next message.
    NEW = "NEW"
    #: With the oldest message that is still stored, acknowledged or not.
    EARLIEST = "EARLIEST"


async def messages(
    services: Services,
    caller: Caller,
    slug: str,
    *,
    start: StartPosition = StartPosition.OUTSTANDING,
    after: str | None = None,
    types: Collection[MessageType] | None = None,
    is_limited: bool = True,
) -> AsyncIterator[Delivery]:
    """Yield the messages of a topic, without end.

    Parameters
    ----------
    services
        Of the running event loop.
    caller
        The subscriber; needs the right to consume.
    slug
        The topic.
    start
        Where to begin if ``after`` is not given.
    after
        The cursor of the last message that the subscriber received: continue behind it.
    types
        Yield only these; without it all but pings and requests for the API description.
    is_limited
        Whether it counts for the caller's rate limits.

    Raises
    ------
    RateLimitedError
        The caller subscribes too often.
    BadInputError, NotFoundError, ForbiddenError
        This is not a slug or not a cursor; the topic is not visible; the caller may not consume.
    CursorExpiredError
        Messages behind the cursor were removed, or the database went back.
    ForbiddenError, NotFoundError
        Later, too: the right was taken away, or the topic was deleted.
    SlowConsumerError
        Messages were removed that the subscriber was too slow to read.
    UnavailableError
        The database does not answer, or went back: subscribe again.
    """
    find = admit_subscriber if is_limited else shared_access
    found = (await find(services, caller, slug)).to_consume()
    backlog = _Backlog(
        topic_id=found.topic.pk,
        epoch=found.topic.epoch,
        reader_id=None if start is StartPosition.EARLIEST and after is None else caller.row_key,
        types=_FOR_PEOPLE if types is None else frozenset(types),
        if_removed=None if after is None else _removed_behind_cursor,
    )
    # Read before the mailbox opens: messages published from then on are read or announced.
    position, head = _first_position(found.topic, start, after), found.topic.last_sequence
    consumer = consuming(
        services,
        found.topic,
        resumes=after is not None,
        answers_pings=MessageType.PING in backlog.types,
    )
    async with consumer as (mailbox, live_from):
        with end_when_revoked(services, found, mailbox, "may_consume"):
            # A subscriber that is up to date, as most are after a restart, does not read.
            is_behind = position < max(live_from, head)
            while True:
                mailbox.catch_up()
                if is_behind:
                    async for row in read_missing(backlog.load, position):
                        position = row.sequence or position
                        mailbox.check()
                        yield Delivery(row)
                        del row
                    # What was stored before the subscription, and was not in the backlog, was
                    # acknowledged or removed; a hub that is behind would pass it on.
                    position = max(position, head)
                backlog = replace(backlog, if_removed=backlog.if_removed or _removed_meanwhile)
                while delivery := mailbox.take() or await mailbox.get():
                    sequence = delivery.message.sequence
                    is_new = sequence is None or sequence > position
                    if is_new and sequence is not None:
                        position = sequence
                    if is_new and delivery.message.message_type in backlog.types:
                        yield mailbox.with_missed(delivery)
                    # A message and its results may be large, and the next one long in coming.
                    del delivery
                is_behind = True


# --- where a subscription begins --------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Backlog:
    """The stored messages for a subscriber that is behind."""

    topic_id: int
    #: The epoch in which the subscription began.
    epoch: int
    #: Leave out messages that this user acknowledged; ``None``: leave out none.
    reader_id: Any
    types: frozenset[MessageType]
    #: Makes the error if messages were removed; ``None``: that is no error.
    if_removed: Callable[[], BrokerError] | None

    async def load(self, position: int) -> MissingPage:
        """Do as :meth:`read`, in a reading thread."""
        return await database.read(self.read, position)

    def read(self, position: int) -> MissingPage:
        """Return the next page behind a sequence, in order.

        Raises
        ------
        CursorExpiredError, SlowConsumerError
            Messages behind the sequence were removed, and the subscriber is to be told.
        UnavailableError
            The topic began another epoch: the sequence means another message now.
        """
        rows = stored_messages(self.topic_id).after(position).of_types(self.types)
        if self.reader_id is not None:
            rows = rows.not_acknowledged_by(self.reader_id)
        page = missing_page(rows)
        if any(message.epoch != self.epoch for message in page.messages):
            raise UnavailableError("The topic's cursors begin anew; subscribe again.")
        # Checked after the page was read: a removal before that is marked by now.
        if self.if_removed and load_topic(self.topic_id).expired_sequence > position:
            raise self.if_removed()
        return page


def _removed_behind_cursor() -> CursorExpiredError:
    return CursorExpiredError(
        "Messages were removed before you received them. Subscribe again without `after`."
    )


def _removed_meanwhile() -> SlowConsumerError:
    return SlowConsumerError(
        "You read so slowly that messages were removed before you received them. Subscribe again."
    )


def _first_position(topic: BrokerTopic, start: StartPosition, after: str | None) -> int:
    if after is not None:
        return _position_after(topic, after)
    return topic.last_sequence if start is StartPosition.NEW else 0


def _position_after(topic: BrokerTopic, after: str) -> int:
    position = decode_message_cursor(after, field="after")
    honoured = (
        position.topic_id == topic.pk
        and position.is_within(topic.head)
        and topic.expired_sequence <= position.sequence
        and is_stored(topic.storage_policy)
    )
    if not honoured:
        raise CursorExpiredError(
            f"The cursor {after!r} can no longer be honoured: messages behind it may be gone. "
            "Subscribe again without `after`."
        )
    return position.sequence
