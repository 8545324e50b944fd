"""The hub: the one reader of the channel layer in a process, which fills all its mailboxes.

Order and completeness come from the sequence of stored messages, never from the channel layer.
An event that follows its predecessor is passed on; one that is ahead, or a topic whose newest
sequence in the database is ahead, makes the hub read the missing rows; one that is behind was
already delivered.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from dasf_broker import app_settings
from dasf_broker.concurrency.outage_log import Outage
from dasf_broker.domain.events import (
    Event,
    MessagePublished,
    MessageStored,
    TopicDeleted,
    WireEvent,
    from_wire,
)
from dasf_broker.exceptions import NotFoundError, UnavailableError
from dasf_broker.realtime.announcer import at_home
from dasf_broker.realtime.group_membership import Membership
from dasf_broker.realtime.loss_count import Serial
from dasf_broker.realtime.mailbox import Mailbox
from dasf_broker.realtime.page_size import Pace
from dasf_broker.realtime.topic_subscribers import Room

logger = logging.getLogger(__name__)

#: Rows read at a time when the hub catches up.
PAGE = 200

#: Seconds to wait before reading from a channel layer that failed.
RETRY = 1.0

#: Loads the newest sequence of each topic; a topic that is gone is missing.
LoadHeads = Callable[[Collection[int]], Awaitable[Mapping[int, int]]]
#: Loads the stored messages of a topic behind a sequence, at most so many.
LoadMessages = Callable[[int, int, int], Awaitable[Sequence[MessagePublished]]]


class Hub:
    """Moves events from the channel layer to local mailboxes. One per event loop.

    Parameters
    ----------
    layer
        A channel layer.
    load_heads, load_messages
        How missing rows are found, because the hub itself knows no tables.
    """

    def __init__(self, layer: Any, load_heads: LoadHeads, load_messages: LoadMessages) -> None:
        self._layer = layer
        self._load_heads = load_heads
        self._load_messages = load_messages
        self._rooms: dict[int, Room] = {}
        self._membership: Membership | None = None
        self._starting = asyncio.Lock()
        self._tasks: list[asyncio.Task[None]] = []
        self._silence = Outage(logger, "Reading from the channel layer")
        self._blindness = Outage(logger, "Looking for missed messages in the database")

    @property
    def topics(self) -> frozenset[int]:
        """The topics with local subscribers."""
        return frozenset(self._rooms)

    def listeners(self, topic_id: int, kind: type[Event]) -> int:
        """Return how many local subscribers of a topic want events of a kind."""
        room = self._rooms.get(topic_id)
        return sum(kind in mailbox.kinds for mailbox in room.mailboxes) if room else 0

    @asynccontextmanager
    async def subscription(
        self, topic_id: int, kinds: Collection[type[Event]]
    ) -> AsyncIterator[tuple[Mailbox, int]]:
        """Open a mailbox for events of these kinds, as long as the context lasts.

        Yields the mailbox and the sequence behind which it receives everything.
        """
        mailbox = Mailbox(
            frozenset(kinds), app_settings.DASF_MAILBOX_SIZE, app_settings.DASF_MAILBOX_BYTES
        )
        position = await self._enter(topic_id, mailbox)
        try:
            yield mailbox, position
        finally:
            # Shielded: a cancelled subscriber must not leave its group membership behind.
            await asyncio.shield(self._leave(topic_id, mailbox))

    async def close(self) -> None:
        """Stop reading and looking, and leave all groups."""
        tasks, self._tasks = self._tasks, []
        tasks += [room.catching_up for room in self._rooms.values() if room.catching_up]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for room in list(self._rooms.values()):
            for mailbox in room.mailboxes:
                mailbox.fail(UnavailableError("The server is going down; subscribe again."))
            await self._groups.leave(room)
        self._rooms.clear()
        if self._membership is not None:
            await self._membership.close()

    @property
    def _groups(self) -> Membership:
        assert self._membership is not None, "the hub was not started"
        return self._membership

    # --- coming and going ---------------------------------------------------------------------

    async def _enter(self, topic_id: int, mailbox: Mailbox) -> int:
        await self._start()
        while True:
            room = self._rooms.setdefault(topic_id, Room(topic_id))
            async with room.lock:
                if self._rooms.get(topic_id) is not room:
                    continue  # the last subscriber closed it while we waited
                room.mailboxes.add(mailbox)
                try:
                    if room.position is None:
                        await self._open(room)
                except BaseException:
                    room.mailboxes.discard(mailbox)
                    await self._close_if_empty(room)
                    raise
                assert room.position is not None
                return room.position

    async def _open(self, room: Room) -> None:
        # First the group, then the position: what is committed in between rings the bell.
        await self._groups.join(room)
        heads = await self._load_heads([room.topic_id])
        if room.topic_id not in heads:
            raise NotFoundError("The topic was deleted.")
        room.position = heads[room.topic_id]
        if room.target > room.position:
            self._catch_up(room)

    async def _leave(self, topic_id: int, mailbox: Mailbox) -> None:
        room = self._rooms.get(topic_id)
        if room is None:
            return
        async with room.lock:
            room.mailboxes.discard(mailbox)
            await self._close_if_empty(room)

    async def _close_if_empty(self, room: Room) -> None:
        if room.mailboxes:
            return
        try:
            # Known until the group is left: who comes meanwhile waits for the room's lock, and
            # cannot join before we leave, which would make them deaf.
            await self._groups.leave(room)
        finally:
            if self._rooms.get(room.topic_id) is room:
                del self._rooms[room.topic_id]
            if room.catching_up is not None:
                room.catching_up.cancel()

    # --- listening ----------------------------------------------------------------------------

    async def _start(self) -> None:
        async with self._starting:
            if self._membership is None:
                at_home()
                channel = await self._layer.new_channel()
                self._membership = Membership(self._layer, channel, self._rooms)
                self._tasks = [
                    asyncio.create_task(self._listen(), name="dasf-hub-listen"),
                    asyncio.create_task(self._look_regularly(), name="dasf-hub-look"),
                ]

    async def _listen(self) -> None:
        while True:
            try:
                announcement = await self._layer.receive(self._groups.channel)
            except Exception:  # noqa: BLE001 - the bell is silent; the looks go on
                self._silence.note()
                await asyncio.sleep(RETRY)
                self._groups.renew_all()  # it may come back without its groups
            else:
                self._silence.over()
                self._pass_on_all(announcement)

    def _pass_on_all(self, announcement: Any) -> None:
        try:
            if self._groups.hear(announcement):
                return
            for wire in announcement["events"]:
                self._pass_on(wire)
        except Exception:
            # From a server of another version, perhaps. What is stored is found by looking.
            logger.exception("An announcement could not be understood.")

    def _pass_on(self, wire: WireEvent) -> None:
        event = from_wire(wire)
        room = self._rooms.get(event.topic_id)
        if room is None:
            return
        match event:
            case TopicDeleted():
                self._end(room)
            case MessagePublished(sequence=None):
                serial = wire.get("serial")
                room.deliver_unstored(event, Serial(*serial) if serial else None)
            case MessagePublished(sequence=int(sequence)) | MessageStored(sequence=sequence):
                room.target = max(room.target, sequence)
                follows = room.position is not None and sequence == room.position + 1
                if follows and isinstance(event, MessagePublished) and not room.catching_up:
                    room.advance(event)
                elif room.position is not None and sequence > room.position:
                    self._catch_up(room)
            case _:
                room.deliver(event)

    def _end(self, room: Room) -> None:
        for mailbox in room.mailboxes:
            mailbox.fail(NotFoundError("The topic was deleted."))

    # --- catching up --------------------------------------------------------------------------

    def _catch_up(self, room: Room) -> None:
        if room.catching_up is None:
            room.catching_up = asyncio.create_task(self._read_missing(room))

    async def _read_missing(self, room: Room) -> None:
        assert room.position is not None
        pace = Pace(PAGE)
        try:
            while room.position < room.target:
                target, rows = room.target, pace.rows
                page = await self._load_messages(room.topic_id, room.position, rows)
                pace.note(page)
                for message in page:
                    room.advance(message)
                if len(page) < rows:
                    # What is not there up to the target was acknowledged and removed.
                    room.position = max(room.position, target)
        except Exception:  # noqa: BLE001 - the next look tries again
            self._blindness.note()
        finally:
            room.catching_up = None

    async def _look_regularly(self) -> None:
        while True:
            await asyncio.sleep(app_settings.DASF_LOOK_INTERVAL)
            try:
                await self.look()
            except Exception:  # noqa: BLE001 - the database, most likely: it will come back
                self._blindness.note()
            else:
                self._blindness.over()
            # Beside the looks: a channel layer that hangs must not keep them from finding messages.
            if self._rooms:
                self._groups.probe_soon()

    async def look(self) -> None:
        """Find what the channel layer did not announce. One query for all topics."""
        rooms = [room for room in self._rooms.values() if room.position is not None]
        if not rooms:
            return
        heads = await self._load_heads([room.topic_id for room in rooms])
        to_renew = []
        for room in rooms:
            head = heads.get(room.topic_id)
            if head is None:
                self._end(room)
                continue
            assert room.position is not None
            is_behind = head > room.position
            if is_behind:
                room.target = max(room.target, head)
                self._catch_up(room)
            if is_behind or self._groups.is_due(room):
                to_renew.append(room)
        self._groups.renew(to_renew)
