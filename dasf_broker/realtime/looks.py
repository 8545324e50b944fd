"""Look into the database: what a hub was not told of, and whether the database went back."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field

from dasf_broker.concurrency.outage_log import OutageLog
from dasf_broker.domain.cursors import Head
from dasf_broker.realtime.page_size import MissingPage, read_missing
from dasf_broker.realtime.topic_subscribers import TopicSubscribers

logger = logging.getLogger(__name__)

#: Loads the end of the messages of each topic; a topic that is gone is missing.
LoadHeads = Callable[[Collection[int]], Awaitable[Mapping[int, Head]]]
#: Loads a page of the stored messages of a topic behind a sequence.
LoadMessages = Callable[[int, int], Awaitable[MissingPage]]
#: Begins a new epoch of topics that still have these epochs.
BeginEpochs = Callable[[Mapping[int, int]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Looks:
    """What the database says of topics."""

    #: Everything was passed on.
    current: list[TopicSubscribers] = field(default_factory=list)
    #: There are messages that were not announced.
    ahead: list[TopicSubscribers] = field(default_factory=list)
    #: Another process, or an operator, began a new epoch.
    renewed: list[TopicSubscribers] = field(default_factory=list)
    deleted: list[TopicSubscribers] = field(default_factory=list)
    #: The epochs, by topic, that are to end: the database went back.
    gone_back: dict[int, int] = field(default_factory=dict)


async def look(topics: Collection[TopicSubscribers], load_heads: LoadHeads) -> Looks:
    """Compare the positions of topics with the database. One query."""
    # Announcements may move a position on while the query runs: that is not behind.
    before = [(topic, topic.epoch, topic.known_position) for topic in topics]
    heads = await load_heads([topic.topic_id for topic in topics])
    looks = Looks()
    for topic, epoch, position in before:
        if topic.position is None or topic.epoch != epoch:
            continue  # it began anew meanwhile
        if (head := heads.get(topic.topic_id)) is None:
            looks.deleted.append(topic)
        elif topic.is_ahead_of(head, position):
            _note_gone_back(topic, head)
            looks.gone_back[topic.topic_id] = head.epoch
        elif head.epoch != epoch:
            looks.renewed.append(topic)
        elif head.sequence > topic.known_position:
            topic.target, topic.is_unsure = max(topic.target, head.sequence), True
            looks.ahead.append(topic)
        else:
            looks.current.append(topic)
    return looks


def _note_gone_back(topic: TopicSubscribers, head: Head) -> None:
    if not topic.is_logged:
        topic.is_logged = True
        logger.error(
            "The database went back: topic %s had the sequence %s, and has %s now. Its "
            "subscriptions end, and its cursors are not honoured any more.",
            topic.topic_id,
            topic.position,
            head.sequence,
        )
    topic.has_gone_back = True  # until the new epoch has begun, if that fails at first


async def catch_up(topic: TopicSubscribers, load: LoadMessages, outage: OutageLog) -> None:
    """Pass on the messages of a topic that were not announced."""

    async def load_page(position: int) -> MissingPage:
        page = await load(topic.topic_id, position)
        if page.expired > topic.known_position:
            topic.lag()
        return page

    try:
        while topic.known_position < topic.target:
            position, target = topic.known_position, topic.target
            if topic.is_unsure:  # read the last one that was passed on, too
                topic.is_unsure, position = False, max(position - 1, 0)
            async for message in read_missing(load_page, position):
                if not topic.is_current(message):
                    return  # the next look ends the subscriptions
                topic.advance(message)
            # What is not there up to the target was acknowledged and removed.
            topic.position = max(topic.known_position, target)
    except Exception:  # noqa: BLE001 - the next look tries again
        outage.failed()
    finally:
        if topic.catching_up is asyncio.current_task():
            topic.catching_up = None
