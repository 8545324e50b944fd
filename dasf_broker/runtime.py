"""The beginning and the end of a server process.

The end is bounded, whatever the database and the channel layer do: who stops a process waits
ten seconds for it, and uvicorn gives the open requests five of them first.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from dasf_broker import database
from dasf_broker.operations.subscriptions.hub_access import close_hub
from dasf_broker.operations.upkeep import schedule
from dasf_broker.operations.writer import close_writer
from dasf_broker.realtime.announcer import flush

logger = logging.getLogger(__name__)

#: Seconds for what is being written.
WRITING = 1.5

#: Seconds for the channel layer: to announce what was written, and to leave it.
ANNOUNCING = LEAVING = 0.75

#: Seconds for the threads to let go of their connections.
THREADS = 0.25


async def start_up() -> None:
    """Begin what a server does without being asked: the housekeeping."""
    schedule.start()


async def shut_down() -> None:
    """Finish what is being written, tell of it, and let go of everything.

    For the event loop of a server that takes no more requests. What is used afterwards all the
    same comes back by itself.
    """
    await _within(WRITING, "Writing", _finish_writing)
    await _within(ANNOUNCING, "Announcing", flush)
    await _within(LEAVING, "Leaving the channel layer", close_hub)
    database.close(THREADS)


async def _finish_writing() -> None:
    await asyncio.gather(schedule.stop(), close_writer())


async def _within(seconds: float, name: str, step: Callable[[], Awaitable[None]]) -> None:
    try:
        async with asyncio.timeout(seconds):
            await step()
    except TimeoutError:
        logger.warning("%s was not finished when the server ended.", name)
    except Exception:
        logger.exception("%s failed when the server ended.", name)
