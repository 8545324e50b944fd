"""Consumers come and go: what that means for their topic.

Nothing is written while a consumer only listens. What a process knows of the consumers of others
it learns from the answers to a ping.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from uuid import UUID

from django.utils import timezone

from dasf_broker import database
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
from dasf_broker.operations.storage.lock import locked_in_order
from dasf_broker.operations.subscriptions.services import Services
from dasf_broker.operations.subscriptions.shared_access import shared_access
from dasf_broker.realtime.hub import Hub
from dasf_broker.realtime.mailbox import Mailbox

#: How long a response topic outlives its last consumer, once nothing is outstanding.
GARBAGE_DELAY = timedelta(minutes=10)

#: Seconds between two looks for a topic that was not announced.
LOOK_INTERVAL = 5.0


@asynccontextmanager
async def consuming(services: Services, topic: BrokerTopic) -> AsyncIterator[tuple[Mailbox, int]]:
    """Receive a topic's messages as a consumer, as long as the context lasts.

    Yields the mailbox and the sequence behind which it receives everything.
    """
    hub, is_answering = services.hub, True
    try:
        async with hub.subscription(topic.pk, {MessagePublished}) as opened:
            # Read now: it may have been marked since the topic was loaded.
            if topic.is_response_topic and await database.read(_is_marked, topic.pk):
                await database.write(note_arrival, topic.pk)
            yield opened
    except UnavailableError:
        is_answering = False
        raise
    finally:
        is_missed = topic.is_response_topic or topic.supports_dasf
        if is_missed and not hub.listeners(topic.pk, MessagePublished):
            # In a task of its own: the subscriber may be cancelled, or may have waited for the
            # database already, and is not to wait for it again.
            departure = services.consumer_log.depart(_note_departure(services, hub, topic.pk))
            if is_answering:
                await asyncio.shield(departure)


async def wait_until_consumable(services: Services, caller: Caller, slug: str) -> None:
    """Wait until there is such a topic and the caller may consume from it.

    A client listens for answers before its first request creates the topic for them. Missing,
    hidden and forbidden topics are waited for alike.

    Raises
    ------
    BadInputError
        This is not a slug: it would be waited for in vain.
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
    """Take an acknowledgement for a pong: a consumer that acknowledges is alive.

    Not each is written down, but the first after a ping, and then one for all consumers of this
    process in a while.

    Parameters
    ----------
    last_ping
        The id of the last ping that the consumer was sent.
    """
    if services.consumer_log.is_due(slug, last_ping):
        with suppress(BrokerError):  # the acknowledgement is fine all the same
            await database.write(pong, caller, slug)


def note_arrival(topic_id: int) -> None:
    """Note that a consumer listens: the topic is needed."""
    marked = BrokerTopic.objects.filter(pk=topic_id, garbage_collect_on__isnull=False)
    marked.update(garbage_collect_on=None)


def note_last_departures(topic_ids: Sequence[int]) -> list[None]:
    """Note that the last consumers of topics in this process have gone; return nothing for each.

    Response topics are due for removal, once nothing is outstanding; consumers of other topics
    are pinged, so that their status soon says whether any are left elsewhere.
    """
    topics = BrokerTopic.objects.with_response_info().in_bulk(topic_ids).values()
    answers = [topic.pk for topic in topics if topic.is_response_topic]
    due = timezone.now() + GARBAGE_DELAY
    marked = BrokerTopic.objects.filter(pk__in=locked_in_order(answers))
    marked.update(garbage_collect_on=due)
    ping_topics([topic for topic in topics if topic.supports_dasf and topic.pk not in answers])
    return [None] * len(topic_ids)


async def _note_departure(services: Services, hub: Hub, topic_id: int) -> None:
    with suppress(BrokerError):
        await services.departures([topic_id])
        if hub.listeners(topic_id, MessagePublished):  # somebody came meanwhile
            await database.write(note_arrival, topic_id)


def _is_marked(topic_id: int) -> bool:
    marked = BrokerTopic.objects.filter(pk=topic_id, garbage_collect_on__isnull=False)
    return bool(marked.exists())


async def _may_consume(services: Services, caller: Caller, slug: str) -> bool:
    try:
        (await shared_access(services, caller, slug)).to_consume()
    except (NotFoundError, ForbiddenError):
        return False
    return True
