"""The hub: the one reader of the channel layer in a process, which fills all its mailboxes.

Order and completeness come from the sequence of stored messages, never from the channel layer.
The hub passes on an event with the next sequence. If an event, or the newest sequence in the
database, is ahead, the hub reads the missing rows. An event that is behind was delivered before.
If the newest sequence is behind, the database was restored: the topic begins a new epoch, and its
subscriptions end.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, cast

from dasf_broker import app_settings
from dasf_broker.concurrency.outage_log import OutageLog
from dasf_broker.domain.events import (
    Event,
    MessagePublished,
    MessageStored,
    TopicDeleted,
    WireEvent,
    from_wire,
)
from dasf_broker.exceptions import NotFoundError, UnavailableError
from dasf_broker.realtime.announcer import announce_from_running_loop
from dasf_broker.realtime.group_membership import GroupMembership
from dasf_broker.realtime.looks import BeginEpochs, LoadHeads, LoadMessages, catch_up, look
from dasf_broker.realtime.loss_count import Serial
from dasf_broker.realtime.mailbox import Mailbox
from dasf_broker.realtime.topic_subscribers import TopicSubscribers

logger = logging.getLogger(__name__)

#: Seconds to wait before reading from a channel layer that failed.
RETRY = 1.0


class Hub:
    """Puts events from the channel layer into local mailboxes. One per event loop.

    Parameters
    ----------
    layer
        A channel layer.
    load_heads, load_messages
        Read missing rows, because the hub itself imports no models.
    begin_epochs
        Called for topics whose rows went back.
    """

    def __init__(
        self,
        layer: Any,
        load_heads: LoadHeads,
        load_messages: LoadMessages,
        begin_epochs: BeginEpochs,
    ) -> None:
        self._layer = layer
        self._load_heads = load_heads
        self._load_messages = load_messages
        self._begin_epochs = begin_epochs
        self._topics: dict[int, TopicSubscribers] = {}
        self._membership: GroupMembership | None = None
        self._starting = asyncio.Lock()
        self._tasks: list[asyncio.Task[None]] = []
        self._reading_outage = OutageLog(logger, "Reading from the channel layer")
        self._looking_outage = OutageLog(logger, "Looking for missed messages in the database")

    def subscribers(self, topic_id: int) -> TopicSubscribers | None:
        """Return the local subscribers of a topic, if it has any."""
        return self._topics.get(topic_id)

    @property
    def topics(self) -> frozenset[int]:
        """The topics with local subscribers."""
        return frozenset(self._topics)

    def listeners(self, topic_id: int, kind: type[Event]) -> int:
        """Return how many local subscribers of a topic want events of a kind."""
        topic = self._topics.get(topic_id)
        return sum(kind in mailbox.kinds for mailbox in topic.mailboxes) if topic else 0

    @asynccontextmanager
    async def subscription(
        self, topic_id: int, kinds: Collection[type[Event]], *, epoch: int | None = None
    ) -> AsyncIterator[tuple[Mailbox, int]]:
        """Open a mailbox for events of these kinds, as long as the context lasts.

        Yields the mailbox and the sequence behind which it receives everything.

        Parameters
        ----------
        epoch
            The epoch of the sequences that the subscriber knows.

        Raises
        ------
        NotFoundError, UnavailableError
            The topic was deleted; it began another epoch meanwhile.
        """
        mailbox = Mailbox(
            frozenset(kinds), app_settings.DASF_MAILBOX_SIZE, app_settings.DASF_MAILBOX_BYTES
        )
        position = await self._enter(topic_id, mailbox, epoch)
        try:
            yield mailbox, position
        finally:
            # Shielded: a cancelled subscriber must not leave its group membership behind.
            await asyncio.shield(self._leave(topic_id, mailbox))

    async def close(self) -> None:
        """Stop reading the channel layer and the database, and leave all groups."""
        tasks, self._tasks = self._tasks, []
        tasks += [topic.catching_up for topic in self._topics.values() if topic.catching_up]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for topic in list(self._topics.values()):
            for mailbox in topic.mailboxes:
                mailbox.fail(UnavailableError("The server is going down; subscribe again."))
            await self._groups.leave(topic)
        self._topics.clear()
        if self._membership is not None:
            await self._membership.close()

    @property
    def _groups(self) -> GroupMembership:
        if self._membership is None:
            raise RuntimeError("The hub was not started.")
        return self._membership

    # --- coming and going ---------------------------------------------------------------------

    async def _enter(self, topic_id: int, mailbox: Mailbox, epoch: int | None) -> int:
        await self._start()
        while True:
            topic = self._topics.setdefault(topic_id, TopicSubscribers(topic_id))
            async with topic.lock:
                if self._topics.get(topic_id) is not topic:
                    continue  # the last subscriber left and closed it while we waited
                topic.mailboxes.add(mailbox)
                try:
                    if topic.position is None:
                        await self._open(topic)
                    topic.check_epoch(epoch)
                except BaseException:
                    topic.mailboxes.discard(mailbox)
                    await self._close_if_empty(topic)
                    raise
                return topic.known_position

    async def _open(self, topic: TopicSubscribers) -> None:
        # First the group, then the position: messages committed in between are announced.
        await self._groups.join(topic)
        heads = await self._load_heads([topic.topic_id])
        if topic.topic_id not in heads:
            raise NotFoundError("The topic was deleted.")
        topic.open_at(heads[topic.topic_id])
        if topic.target > topic.known_position:
            self._catch_up(topic)

    async def _leave(self, topic_id: int, mailbox: Mailbox) -> None:
        topic = self._topics.get(topic_id)
        if topic is None:
            return
        async with topic.lock:
            topic.mailboxes.discard(mailbox)
            await self._close_if_empty(topic)

    async def _close_if_empty(self, topic: TopicSubscribers) -> None:
        if topic.mailboxes:
            return
        try:
            # Listed until the group is left: a subscriber that comes meanwhile waits for the
            # topic's lock. It must not join before we leave, or it would receive nothing.
            await self._groups.leave(topic)
        finally:
            if self._topics.get(topic.topic_id) is topic:
                del self._topics[topic.topic_id]
            if topic.catching_up is not None:
                topic.catching_up.cancel()

    # --- listening ----------------------------------------------------------------------------

    async def _start(self) -> None:
        async with self._starting:
            if self._membership is None:
                announce_from_running_loop()
                channel = await self._layer.new_channel()
                self._membership = GroupMembership(self._layer, channel, self._topics)
                self._tasks = [
                    asyncio.create_task(self._listen(), name="dasf-hub-listen"),
                    asyncio.create_task(self._poll_regularly(), name="dasf-hub-poll"),
                ]

    async def _listen(self) -> None:
        while True:
            try:
                announcement = await self._layer.receive(self._groups.channel)
            except Exception:  # noqa: BLE001 - polling goes on
                self._reading_outage.failed()
                await asyncio.sleep(RETRY)
                self._groups.renew_all()  # it may come back without its groups
            else:
                self._reading_outage.recovered()
                self._pass_on_all(announcement)

    def _pass_on_all(self, announcement: Any) -> None:
        try:
            if self._groups.receive(announcement):
                return
            for wire in announcement["events"]:
                self._pass_on(wire)
        except Exception:
            # Perhaps from a server of another version. Stored messages are found in the database.
            logger.exception("An announcement could not be understood.")

    def _pass_on(self, wire: WireEvent) -> None:
        event = from_wire(wire)
        topic = self._topics.get(event.topic_id)
        if topic is None:
            return
        match event:
            case TopicDeleted():
                self._end(topic)
            case MessagePublished(sequence=None):
                serial = wire.get("serial")
                topic.deliver_unstored(event, Serial(*serial) if serial else None)
            case MessagePublished() | MessageStored():
                self._pass_on_stored(topic, event, wire.get("epoch"))
            case _:
                topic.deliver(event)

    def _pass_on_stored(
        self, topic: TopicSubscribers, event: MessagePublished | MessageStored, epoch: int | None
    ) -> None:
        sequence = cast("int", event.sequence)
        if epoch is None:  # from a server of an older release
            event = replace(event, epoch=topic.epoch)
        if not topic.note_announced(event, epoch):
            return
        follows = sequence == topic.known_position + 1
        if follows and isinstance(event, MessagePublished) and not topic.catching_up:
            topic.advance(event)
        elif sequence > topic.known_position:
            self._catch_up(topic)

    def _end(self, topic: TopicSubscribers) -> None:
        for mailbox in topic.mailboxes:
            mailbox.fail(NotFoundError("The topic was deleted."))

    # --- looking ------------------------------------------------------------------------------

    async def _poll_regularly(self) -> None:
        while True:
            await asyncio.sleep(app_settings.DASF_LOOK_INTERVAL)
            try:
                await self.poll()
            except Exception:  # noqa: BLE001 - the database, most likely: it will come back
                self._looking_outage.failed()
            else:
                self._looking_outage.recovered()
            # In a task of its own: a channel layer that hangs must not delay the database reads.
            if self._topics:
                self._groups.probe_soon()

    async def poll(self) -> None:
        """Find messages that the channel layer did not announce. One query for all topics."""
        topics = [topic for topic in self._topics.values() if topic.position is not None]
        if not topics:
            return
        looks = await look(topics, self._load_heads)
        for topic in looks.deleted:
            self._end(topic)
        for topic in looks.ahead:
            self._catch_up(topic)
        for topic in looks.renewed:
            topic.begin_anew()
        self._groups.renew([*looks.ahead, *filter(self._groups.is_due, looks.current)])
        if looks.gone_back:
            await self._end_epochs(looks.gone_back)

    async def _end_epochs(self, gone_back: Mapping[int, int]) -> None:
        # First the epochs, then the subscriptions: clients come back with their cursors at once.
        await self._begin_epochs(gone_back)
        for topic_id in gone_back:
            if (topic := self._topics.get(topic_id)) is not None and topic.has_gone_back:
                topic.begin_anew()

    def _catch_up(self, topic: TopicSubscribers) -> None:
        if topic.catching_up is None:
            reading = catch_up(topic, self._load_messages, self._looking_outage)
            topic.catching_up = asyncio.create_task(reading)
