"""Subscribe to a topic's heartbeat: its pings, its pongs, and its availability."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import cast

from dasf_broker import app_settings, clock
from dasf_broker.domain.availability import changes_at
from dasf_broker.domain.events import Event, TopicPinged, TopicPonged
from dasf_broker.models import BrokerTopic
from dasf_broker.operations.access import Access
from dasf_broker.operations.caller import Caller
from dasf_broker.operations.subscriptions.hub_access import current_topic
from dasf_broker.operations.subscriptions.revocation import Need, end_when_revoked
from dasf_broker.operations.subscriptions.services import Services
from dasf_broker.operations.subscriptions.shared_access import admit_subscriber
from dasf_broker.realtime.mailbox import Mailbox


async def pings(services: Services, caller: Caller, slug: str) -> AsyncIterator[TopicPinged]:
    """Yield the pings of a topic, for consumers that answer them.

    Raises
    ------
    RateLimitedError, BadInputError, NotFoundError, ForbiddenError
        The caller subscribes too often; this is not a slug; the topic is not visible; the caller
        may not consume.
    """
    found = (await admit_subscriber(services, caller, slug)).to_consume()
    async with _listening(services, found, {TopicPinged}, "may_consume") as mailbox:
        while (delivery := await mailbox.get()) is not None:
            yield delivery.event  # type: ignore[misc]


async def pongs(services: Services, caller: Caller, slug: str) -> AsyncIterator[TopicPonged]:
    """Yield the answers of a topic's consumers. All callers that may see the topic may subscribe.

    Raises
    ------
    RateLimitedError, BadInputError, NotFoundError
        Too often; not a slug; not visible.
    """
    found = await admit_subscriber(services, caller, slug)
    async with _listening(services, found, {TopicPonged}, "is_visible") as mailbox:
        while (delivery := await mailbox.get()) is not None:
            yield delivery.event  # type: ignore[misc]


async def availability(services: Services, caller: Caller, slug: str) -> AsyncIterator[BrokerTopic]:
    """Yield the topic as it is now, then each time its availability changes.

    A ping makes a topic offline until a consumer answers. That is not reported before the consumers
    had ``DASF_PONG_GRACE`` seconds to answer.

    Raises
    ------
    RateLimitedError, BadInputError, NotFoundError
        Too often; not a slug; not visible.
    """
    found = await admit_subscriber(services, caller, slug)
    topic_id = found.topic.pk
    async with _listening(services, found, {TopicPinged, TopicPonged}, "is_visible") as mailbox:
        topic = await current_topic(services, topic_id)
        reported = _heartbeat(topic)
        yield topic
        while True:
            await _wait_for_change(mailbox, topic)
            topic = await current_topic(services, topic_id)
            if not _is_answer_pending(topic) and _heartbeat(topic) != reported:
                reported = _heartbeat(topic)
                yield topic


@asynccontextmanager
async def _listening(
    services: Services, found: Access, kinds: Collection[type[Event]], need: Need
) -> AsyncIterator[Mailbox]:
    async with services.hub.subscription(found.topic.pk, kinds) as (mailbox, _):
        with end_when_revoked(services, found, mailbox, need):
            yield mailbox


def _heartbeat(topic: BrokerTopic) -> tuple[bool | None, datetime | None, datetime | None]:
    return topic.availability, topic.last_ping, topic.last_pong


def _is_answer_pending(topic: BrokerTopic) -> bool:
    return topic.availability is False and clock.now() < _grace_ends(topic)


def _grace_ends(topic: BrokerTopic) -> datetime:
    return cast("datetime", topic.last_ping) + timedelta(seconds=app_settings.DASF_PONG_GRACE)


async def _wait_for_change(mailbox: Mailbox, topic: BrokerTopic) -> None:
    """Wait for a ping, a pong, or the time at which the availability changes by itself."""
    try:
        async with asyncio.timeout(_seconds_to_change(topic)):
            await mailbox.get()
    except TimeoutError:
        pass


def _seconds_to_change(topic: BrokerTopic) -> float | None:
    now = clock.now()
    moment = (
        _grace_ends(topic)
        if _is_answer_pending(topic)
        else changes_at(now, topic.last_ping, supports_dasf=topic.supports_dasf)
    )
    # A little later than that time, so that the rule gives the new answer by then.
    return None if moment is None else max((moment - now).total_seconds(), 0) + 0.01
