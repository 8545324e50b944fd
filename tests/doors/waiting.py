"""Wait for a condition, with a deadline."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from dasf_broker.models import BrokerTopic
from dasf_broker.runtime import current
from tests.doors.sockets import DEADLINE


async def until(condition: Callable[[], object]) -> None:
    """Wait until the condition holds."""
    async with asyncio.timeout(DEADLINE):
        while not condition():  # noqa: ASYNC110 - many conditions have no event
            await asyncio.sleep(0.005)


async def until_heard(topic: BrokerTopic, *, by: int = 1) -> None:
    """Wait until so many subscribers of this process wait for what happens to the topic.

    They have read the backlog then, so that what comes next reaches all of them as one event.
    """

    def is_heard() -> bool:
        room = current().hub.subscribers(topic.pk)
        waiting = [each for each in room.mailboxes if each._waiter is not None] if room else []
        return room is not None and room.position is not None and len(waiting) >= by

    await until(is_heard)
