"""Write for asynchronous callers: the items of concurrent callers share one transaction.

While one batch is committed, the next one collects items (group commit). Items of a caller that is
cancelled are written all the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TypeVar

from dasf_broker import app_settings, database
from dasf_broker.concurrency.batching import Batcher
from dasf_broker.concurrency.locked_rows import Needs
from dasf_broker.domain.envelope import content_size
from dasf_broker.domain.publishing import Published, PublishStatus
from dasf_broker.domain.rates import Activity
from dasf_broker.exceptions import BrokerError, UnavailableError
from dasf_broker.operations import heartbeat, topics
from dasf_broker.operations.access import Access
from dasf_broker.operations.acknowledge import (
    Acknowledged,
    Acknowledging,
    acknowledge_batch,
    count_fresh,
    outstanding_up_to,
)
from dasf_broker.operations.caller import Caller
from dasf_broker.operations.heartbeat import Pinged
from dasf_broker.operations.publications import Publication
from dasf_broker.operations.publish import publish_batch
from dasf_broker.operations.rate_limits import admit, refused_publications
from dasf_broker.operations.storage.lock import TopicRow, UserRow, write_topic
from dasf_broker.operations.topics import TopicOptions
from dasf_broker.realtime.announcer import ANNOUNCE_TIMEOUT, flush

#: Bytes that are counted for a small item: an acknowledgement, or a message without its content.
ITEM_BYTES = 500

Item = TypeVar("Item")
Result = TypeVar("Result")


class Writer:
    """The writer of one event loop."""

    def __init__(self) -> None:
        self._publishing: GroupCommit[Publication, Published] = GroupCommit(
            publish_batch, _weigh_message, needs=_needs_of_message
        )
        self._acknowledging: GroupCommit[Acknowledging, Acknowledged] = GroupCommit(
            acknowledge_batch, needs=_needs_of_acknowledgement
        )

    async def publish(self, items: Sequence[Publication]) -> Sequence[Published | BrokerError]:
        """Publish messages of one caller, in order; a refused message gets its error.

        Raises
        ------
        UnavailableError
            Too much is waiting to be written already, or the database does not answer within
            ``DASF_DATABASE_TIMEOUT``. The text says whether the messages may have been written.
        """
        refused = await refused_publications(items)
        if not refused:
            return await self._publish(items)
        allowed = [item for index, item in enumerate(items) if index not in refused]
        outcomes = iter(await self._publish(allowed) if allowed else ())
        return [
            refused[index] if index in refused else next(outcomes) for index in range(len(items))
        ]

    async def _publish(self, items: Sequence[Publication]) -> Sequence[Published | BrokerError]:
        outcomes = await self._publishing(items)
        if any(isinstance(each, Published) and _is_only_sent(each) for each in outcomes):
            # No row exists: a server that is killed right after the answer would lose it unseen.
            await flush(ANNOUNCE_TIMEOUT)
        return outcomes

    async def publish_one(self, item: Publication) -> Published:
        """Publish one message, and raise its error if it has one."""
        [outcome] = await self.publish([item])
        return raised(outcome)

    async def acknowledge(
        self, items: Sequence[Acknowledging]
    ) -> Sequence[Acknowledged | BrokerError]:
        """Acknowledge messages, in order. Raises as :meth:`publish`."""
        return await self._acknowledging(items)

    async def acknowledge_one(self, item: Acknowledging) -> Acknowledged:
        """Acknowledge one message, and raise its error if it has one."""
        return await self._acknowledging.one(item)

    async def acknowledge_up_to(self, caller: Caller, slug: str, cursor: str) -> int:
        """Acknowledge everything up to and including the message with the cursor.

        Works in steps of one transaction each; finished steps stay done if it is interrupted.

        Returns
        -------
        int
            How many messages were acknowledged for the first time.

        Raises
        ------
        BadInputError
            The cursor is not one of this topic.
        NotFoundError, ForbiddenError
            The caller may not see the topic, or not consume from it.
        UnavailableError
            The database does not answer.
        """
        total, position = 0, 0
        while page := await database.read(outstanding_up_to, caller, slug, cursor, position):
            total += count_fresh(await self.acknowledge([item for _, item in page]))
            position = page[-1][0]
        return total

    async def close(self) -> None:
        """Refuse what comes from now on; wait until what came before is written."""
        await asyncio.gather(self._publishing.close(), self._acknowledging.close())


async def ping(caller: Caller, slug: str) -> Pinged:
    """Ping a topic, within the rate limits.

    It is not batched: if the loop is short-lived (an asynchronous view under WSGI), the thread that
    writes announces the ping, and the ping is not lost with the loop.

    Raises
    ------
    RateLimitedError
        The caller pings too often.
    BadInputError, NotFoundError, ForbiddenError
        As :func:`.heartbeat.ping`.
    UnavailableError
        The database does not answer.
    """
    await admit(caller, Activity.PING)
    return await write_topic(heartbeat.ping, caller, slug)


async def create_topic(caller: Caller, slug: str, options: TopicOptions) -> Access:
    """Create a topic, within the rate limits.

    Raises
    ------
    RateLimitedError
        The caller creates too many.
    BadInputError, ForbiddenError, ConflictError
        As :func:`.topics.create_topic`.
    UnavailableError
        The database does not answer.
    """
    await admit(caller, Activity.CREATE)
    return await write_topic(topics.create_topic, caller, slug, options)


class GroupCommit(Batcher[Item, Result | BrokerError]):
    """A batcher in the writing thread: each of its batches is one transaction.

    Parameters
    ----------
    operation
        Takes items and returns, for each in order, its result or its error.
    weigh
        Returns about how many bytes an item takes.
    needs
        Returns the rows that an item locks.
    """

    def __init__(
        self,
        operation: Callable[[Sequence[Item]], Sequence[Result | BrokerError]],
        weigh: Callable[[Item], int] = lambda _: ITEM_BYTES,
        needs: Callable[[Item], Needs] = lambda _: Needs(),
    ) -> None:
        super().__init__(
            database.WRITING, operation, weigh=weigh, is_outage=database.is_outage, needs=needs
        )
        self._is_closed = False

    def check_room(self, items: int, weight: int) -> None:
        """Check that more items may wait to be written.

        Raises
        ------
        UnavailableError
            The server is going down, or ``DASF_WRITER_QUEUE`` items or ``DASF_WRITER_BYTES`` bytes
            wait already.
        """
        if self._is_closed:
            raise UnavailableError("The server is going down; try again in a moment.")
        # A request that is larger than the limit by itself is accepted when nothing waits.
        is_heavy = self.items and self.bytes + weight > app_settings.DASF_WRITER_BYTES
        if self.items + items > app_settings.DASF_WRITER_QUEUE or is_heavy:
            raise UnavailableError("The broker has more to write than it can; try again later.")

    def may_hold(self, items: int, weight: int) -> bool:
        """Tell whether so much may wait for locked topics: half of what may wait at all."""
        is_many = self._aside.items + items > app_settings.DASF_WRITER_QUEUE // 2
        is_heavy = self._aside.bytes + weight > app_settings.DASF_WRITER_BYTES // 2
        return not self._aside.items or not (is_many or is_heavy)

    async def one(self, item: Item) -> Result:
        """Write one item, and raise its error if it has one."""
        [outcome] = await self([item])
        return raised(outcome)

    async def close(self) -> None:
        """Refuse what comes from now on; wait until what came before is written."""
        self._is_closed = True
        await self.idle()


def raised(outcome: Result | BrokerError) -> Result:
    """Return the outcome of an item, or raise its error."""
    if isinstance(outcome, BrokerError):
        raise outcome
    return outcome


def _is_only_sent(published: Published) -> bool:
    return published.status is PublishStatus.SENT


def _needs_of_message(publication: Publication) -> Needs:
    caller, slug = publication.caller, publication.slug
    answers = publication.envelope.response_topic
    topics = [slug] if answers is None else [slug, answers]
    return _needs(caller, slug, topics)


def _needs_of_acknowledgement(item: Acknowledging) -> Needs:
    return _needs(item.caller, item.slug, [item.slug])


def _needs(caller: Caller, slug: str, topics: Sequence[str]) -> Needs:
    user_id = caller.user.pk
    rows = frozenset([*map(TopicRow, topics), UserRow(user_id)])
    return Needs(rows, frozenset([(user_id, slug)]))


def _weigh_message(publication: Publication) -> int:
    return ITEM_BYTES + content_size(publication.envelope.content)
