"""What one event loop owns, and the beginning and the end of a server process.

A server has one event loop, and so one runtime. Tests and scripts may have several.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from functools import cached_property
from typing import Any, TypeVar

from dasf_broker import app_settings, database, test_mode
from dasf_broker.concurrency.batching import Batcher, Bounds
from dasf_broker.concurrency.gate import Gate
from dasf_broker.concurrency.lookup import Lookup
from dasf_broker.concurrency.loop_local import LoopLocal
from dasf_broker.concurrency.sweeper import Sweeper
from dasf_broker.concurrency.turns import Turns
from dasf_broker.exceptions import RateLimitedError
from dasf_broker.operations.subscriptions import consumers
from dasf_broker.operations.subscriptions.consumer_log import ConsumerLog
from dasf_broker.operations.subscriptions.hub_access import make_hub
from dasf_broker.operations.upkeep import schedule, storage_settings
from dasf_broker.operations.writer import Writer
from dasf_broker.realtime.announcer import announce_from_running_loop, flush
from dasf_broker.realtime.hub import Hub

logger = logging.getLogger(__name__)

Key = TypeVar("Key")
Value = TypeVar("Value")

#: Seconds, at the end of a process, for what is being written. The end is bounded, whatever the
#: database and the channel layer do: service managers wait ten seconds for a process, and uvicorn
#: gives the open requests five of them first.
WRITING = 1.5

#: Seconds for the channel layer: to announce what was written, and to leave it.
ANNOUNCING = LEAVING = 0.75

#: Seconds for the threads to let go of their connections.
THREADS = 0.25


#: Topics whose first consumer has come, or whose last one has gone, that are noted at once, between
#: what clients write.
PRESENCES = 50

#: Most large queries that are executed at once: of all callers, and of one. They share a few
#: threads that read for them: more at once would not be faster, and only hold more memory.
LARGE_QUERIES = 8
LARGE_QUERIES_OF_ONE = 2

#: Seconds after which the event loop lets another thread run, if one wants to. A thread that reads
#: the database wants to some dozens of times. Python's own 5 ms begin anew whenever the loop sends
#: something: a busy loop would hold up a read for half a second.
SWITCH_INTERVAL = 0.0003


class Runtime:
    """What one event loop owns. Each part is made when it is needed first.

    See :func:`current`.
    """

    def __init__(self) -> None:
        self.sweeper = Sweeper()
        self.turns = Turns()
        self.large_queries = Gate(
            most=LARGE_QUERIES,
            per_share=LARGE_QUERIES_OF_ONE,
            timeout=lambda: app_settings.DASF_DATABASE_TIMEOUT,
            late=_too_many_queries,
        )
        self.consumer_log = ConsumerLog()
        self._lookups: dict[Callable[..., Any], Lookup[Any, Any]] = {}
        self._housekeeping: asyncio.Task[None] | None = None
        self._comparison: asyncio.Task[None] | None = None

    @cached_property
    def writer(self) -> Writer:
        """Gathers what concurrent callers write."""
        return Writer()

    @cached_property
    def hub(self) -> Hub:
        """Moves events from the channel layer to local subscribers.

        Raises
        ------
        UnavailableError
            No channel layer is configured.
        """
        return make_hub()

    @cached_property
    def departures(self) -> Batcher[int, None]:
        """Notes the topics whose last consumer here has gone, many at once."""
        return _noting(consumers.note_last_departures)

    @cached_property
    def arrivals(self) -> Batcher[int, None]:
        """Pings the topics that consumers have arrived at, many at once."""
        return _noting(consumers.note_arrivals)

    def lookup(self, load: Callable[[Collection[Key]], Mapping[Key, Value]]) -> Lookup[Key, Value]:
        """Return the lookup that reads with a function, once for all concurrent callers."""
        if load not in self._lookups:
            self._lookups[load] = Lookup(database.READING, load, database.is_outage)
        return self._lookups[load]

    def start(self) -> None:
        """Start what the event loop of a server does by itself, unless it was started before.

        It announces what is published in any thread of the process, and compares its settings with
        those of other servers. And it does the housekeeping, unless ``DASF_HOUSEKEEPING`` is off,
        or the tests of a host run.
        """
        announce_from_running_loop()
        self._compare_settings()
        is_wanted = app_settings.DASF_HOUSEKEEPING and not test_mode.are_running()
        if self._housekeeping is None and is_wanted:
            task = asyncio.create_task(schedule.run_regularly(self), name="dasf-housekeeping")
            task.add_done_callback(self._forget_housekeeping)
            self._housekeeping = task

    async def stop_housekeeping(self) -> None:
        """Stop the housekeeping; the lease is given back, and the settings are withdrawn."""
        tasks = [each for each in (self._housekeeping, self._comparison) if each is not None]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def close_writer(self) -> None:
        """Close the writer: what it was given is written. The next use makes a new one."""
        if (writer := self.__dict__.pop("writer", None)) is not None:
            await writer.close()

    async def close_hub(self) -> None:
        """Close the hub: all subscriptions end. The next use makes a new one."""
        if (hub := self.__dict__.pop("hub", None)) is not None:
            await hub.close()

    def _compare_settings(self) -> None:
        if self._comparison is None and not test_mode.are_running():
            task = asyncio.create_task(storage_settings.compare_regularly(), name="dasf-settings")
            task.add_done_callback(self._forget_comparison)
            self._comparison = task

    def _forget_housekeeping(self, _: asyncio.Task[None]) -> None:
        # The task refers to its loop: as long as it is kept, so is the loop.
        self._housekeeping = None

    def _forget_comparison(self, _: asyncio.Task[None]) -> None:
        self._comparison = None


def _noting(note: Callable[[Sequence[int]], list[None]]) -> Batcher[int, None]:
    bounds, needs = Bounds(items=PRESENCES), consumers.needs_of_presence
    outage = database.is_outage
    return Batcher(database.WRITING, note, bounds=bounds, is_outage=outage, needs=needs)


def _too_many_queries() -> RateLimitedError:
    return RateLimitedError(
        f"Your other queries took all the time: {LARGE_QUERIES_OF_ONE} of yours with lists or "
        "bodies are executed at once. Send fewer, or ask for smaller pages."
    )


_runtimes: LoopLocal[Runtime] = LoopLocal(Runtime)


def current() -> Runtime:
    """Return the runtime of the running event loop."""
    return _runtimes.get()


async def start_up() -> None:
    """Begin what a server does without a request."""
    current().start()


def tune_process() -> None:
    """Make this process ready for many connections; it concerns all of its code.

    A server does it at its start where ``DASF_TUNE_PROCESS`` is on.
    """
    # What is loaded by now stays. To look through all of it for garbage, again and again, would
    # hold up everybody for a tenth of a second each time.
    gc.collect()
    gc.freeze()
    sys.setswitchinterval(min(SWITCH_INTERVAL, sys.getswitchinterval()))


async def shut_down() -> None:
    """Finish what is being written, announce it, and let go of everything.

    For the event loop of a server that takes no more requests. What is used afterwards all the
    same comes back by itself.
    """
    runtime = current()
    await _within(WRITING, "Writing", lambda: _finish_writing(runtime))
    await _within(ANNOUNCING, "Announcing", flush)
    await _within(LEAVING, "Leaving the channel layer", runtime.close_hub)
    database.close(THREADS)


async def _finish_writing(runtime: Runtime) -> None:
    await asyncio.gather(runtime.stop_housekeeping(), runtime.close_writer())


async def _within(seconds: float, name: str, step: Callable[[], Awaitable[Any]]) -> None:
    try:
        async with asyncio.timeout(seconds):
            await step()
    except TimeoutError:
        logger.warning("%s was not finished when the server ended.", name)
    except Exception:
        logger.exception("%s failed when the server ended.", name)
