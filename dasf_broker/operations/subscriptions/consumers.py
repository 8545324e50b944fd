"""What changes for a topic when a consumer arrives, acknowledges or leaves.

Nothing is written while a consumer only receives. A process learns of the consumers of other
processes from the answers to a ping.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from dasf_broker import clock, database, primary, test_mode
from dasf_broker.concurrency.locked_rows import Needs
from dasf_broker.concurrency.sweeper import Sweep
from dasf_broker.db_connections import retried
from dasf_broker.domain.events import DIRECTORY, MessagePublished, TopicAppeared
from dasf_broker.exceptions import (
    BrokerError,
    ForbiddenError,
    NotFoundError,
    UnavailableError,
)
from dasf_broker.models import BrokerTopic
from dasf_broker.operations.caller import Caller
from dasf_broker.operations.heartbeat import ping_topics, pong
from dasf_broker.operations.storage.lock import TopicKey, locked_in_order, write_topic
from dasf_broker.operations.storage.response_topics import count_not_kept, keep_listened
from dasf_broker.operations.subscriptions.services import Services
from dasf_broker.operations.subscriptions.shared_access import shared_access
from dasf_broker.realtime.hub import Hub
from dasf_broker.realtime.mailbox import Mailbox

#: How long a response topic is kept after its last consumer left, once nothing is outstanding.
GARBAGE_DELAY = timedelta(minutes=10)

#: Seconds between two reads that find a topic that was not announced.
LOOK_INTERVAL = 5.0

#: Seconds between two reads of the marks of response topics that have consumers.
INTERVAL = 60.0


@asynccontextmanager
async def consuming(
    services: Services, topic: BrokerTopic, *, resumes: bool = False, answers_pings: bool = False
) -> AsyncIterator[tuple[Mailbox, int]]:
    """Receive a topic's messages as a consumer, as long as the context lasts.

    Yields the mailbox and the sequence behind which it receives everything.

    Parameters
    ----------
    resumes
        Whether the consumer continues behind a cursor: it misses nothing silently.
    answers_pings
        Whether the consumer is a backend module: the topic is pinged, unless it is online.
    """
    hub, is_answering = services.hub, True
    try:
        async with hub.subscription(topic.pk, {MessagePublished}, epoch=topic.epoch) as opened:
            opened[0].must_be_complete = resumes
            if answers_pings:
                _ping_for_arrival(services, topic)
            if topic.is_response_topic:
                async with _listening(services, topic.pk):
                    yield opened
            else:
                yield opened
    except UnavailableError:
        is_answering = False
        raise
    finally:
        is_missed = topic.is_response_topic or topic.supports_dasf
        if is_missed and not hub.listeners(topic.pk, MessagePublished):
            # In a task of its own: the subscriber may be cancelled, or has waited for the database
            # before and should not wait for it again.
            departure = services.consumer_log.write_later(_note_departure(services, hub, topic.pk))
            if is_answering:
                await asyncio.shield(departure)


def _ping_for_arrival(services: Services, topic: BrokerTopic) -> None:
    """Ping a topic for a consumer that has just arrived, so that its status soon shows that.

    Nothing happens if the topic is online, cannot answer, or was pinged for another one of this
    process in the last seconds; and in the tests of a host, which would receive the ping.
    """
    can_answer = topic.supports_dasf and not topic.is_response_topic
    if not can_answer or topic.availability or test_mode.are_running():
        return
    if services.consumer_log.may_ping(topic.pk):
        services.consumer_log.write_later(_note_arrival(services, topic.pk))


async def wait_until_consumable(services: Services, caller: Caller, slug: str) -> None:
    """Wait until the topic exists and the caller may consume from it.

    A client subscribes to the topic of its answers before its first request creates that topic.
    Missing, hidden and forbidden topics are treated alike.

    Raises
    ------
    BadInputError
        This is not a slug, so that such a topic will never exist.
    """
    async with services.hub.subscription(DIRECTORY, {TopicAppeared}) as (mailbox, _):
        while not await _may_consume(services, caller, slug):
            try:
                async with asyncio.timeout(LOOK_INTERVAL):
                    while (news := await mailbox.get()) is not None:
                        if news.event.topic_slug == slug:  # type: ignore[attr-defined]
                            break
            except TimeoutError:
                pass


async def note_sign_of_life(
    services: Services, caller: Caller, slug: str, last_ping: UUID | None
) -> None:
    """Count an acknowledgement as a pong: a consumer that acknowledges is alive.

    The first one after a ping is written, and then, for all consumers of this process together,
    one in each ``PONG_STEP`` seconds.

    Parameters
    ----------
    last_ping
        The id of the last ping to the consumer.
    """
    if services.consumer_log.is_due(slug, last_ping):
        with suppress(BrokerError):  # the acknowledgement itself is stored
            await write_topic(pong, caller, slug)


async def keep_response_topics(topic_ids: Collection[int]) -> None:
    """Put the removal of those of the topics off that are response topics, because of consumers."""
    keys = sorted({*topic_ids})
    if not keys:
        return
    if await database.read(count_not_kept, keys):
        await database.write(keep_listened, keys)


def note_arrivals(topic_ids: Sequence[int]) -> list[None]:
    """Ping topics that consumers have arrived at; return ``None`` for each."""
    ping_topics([*BrokerTopic.objects.with_response_info().filter(pk__in=topic_ids)])
    return [None] * len(topic_ids)


@retried
def note_last_departures(topic_ids: Sequence[int]) -> list[None]:
    """Write that the last consumers of topics in this process have left; return ``None`` for each.

    Response topics are marked for removal. Other topics are pinged, so that their status soon shows
    whether they have consumers in other processes.
    """
    topics = BrokerTopic.objects.with_response_info().order_by().in_bulk(topic_ids).values()
    answers = [topic.pk for topic in topics if topic.is_response_topic]
    due = clock.now() + GARBAGE_DELAY
    with primary.atomic():
        marked = BrokerTopic.objects.filter(pk__in=locked_in_order(answers))
        marked.update(garbage_collect_on=due)
    ping_topics([topic for topic in topics if topic.supports_dasf and topic.pk not in answers])
    return [None] * len(topic_ids)


def needs_of_presence(topic_id: int) -> Needs:
    """Return the row that is locked to note that consumers of a topic have come or gone."""
    row = TopicKey(topic_id)
    return Needs(frozenset([row]), frozenset([row]))


async def _note_arrival(services: Services, topic_id: int) -> None:
    with suppress(BrokerError):
        await services.arrivals([topic_id])


async def _note_departure(services: Services, hub: Hub, topic_id: int) -> None:
    with suppress(BrokerError):
        await services.departures([topic_id])
        if hub.listeners(topic_id, MessagePublished):  # a consumer arrived meanwhile
            await keep_response_topics([topic_id])


# --- response topics ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class _Listening:
    """A consumer of a response topic."""

    topic_id: int


@asynccontextmanager
async def _listening(services: Services, topic_id: int) -> AsyncIterator[None]:
    # Read again: the topic may have been marked for removal after it was loaded.
    await keep_response_topics([topic_id])
    with services.sweeper.include(LISTENING, _Listening(topic_id)):
        yield


async def _keep(consumers: Collection[_Listening]) -> None:
    await keep_response_topics([each.topic_id for each in consumers])


#: All consumers of response topics in this process. The last consumer in another process may have
#: left; its mark is due after ``GARBAGE_DELAY``.
LISTENING: Sweep[_Listening] = Sweep("dasf-response-topics", _keep, INTERVAL)


async def _may_consume(services: Services, caller: Caller, slug: str) -> bool:
    try:
        (await shared_access(services, caller, slug)).to_consume()
    except (NotFoundError, ForbiddenError):
        return False
    return True
