"""The housekeeping: every minute, in one process at a time, in small steps."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Callable, Generator, Iterator
from dataclasses import asdict, astuple, dataclass
from datetime import datetime
from functools import partial
from uuid import uuid4

from dasf_broker import app_settings, clock, database
from dasf_broker.domain.events import MessagePublished
from dasf_broker.exceptions import BrokerError
from dasf_broker.operations.storage import deduplication, deletion, settlement
from dasf_broker.operations.subscriptions.consumers import keep_response_topics
from dasf_broker.operations.subscriptions.services import Services
from dasf_broker.operations.upkeep import pings, response_topics, retention, tokens
from dasf_broker.operations.upkeep.lease import release_lease, take_lease
from dasf_broker.realtime.announcer import announce_from_running_loop
from dasf_broker.realtime.hub import Hub

logger = logging.getLogger(__name__)

#: The name of the lease, and for how long it is taken: longer than any step.
LEASE = "housekeeping"
LEASE_SECONDS = 120.0

#: Seconds between two rounds.
INTERVAL = 60.0

#: Seconds of a round for what is left of deleted topics: the next round has to ping in time.
DELETING = 30.0


@dataclass(frozen=True, slots=True)
class Report:
    """Counts of what the housekeeping did."""

    #: Topics that were pinged.
    pinged: int = 0
    #: Response topics that were removed.
    collected: int = 0
    #: Tokens that were removed.
    expired: int = 0
    #: Messages that were removed because no consumer still had to acknowledge them.
    settled: int = 0
    #: Messages that were removed by the retention of their topic.
    retired: int = 0
    #: Ids of removed messages that were deleted.
    forgotten: int = 0
    #: Rows of deleted topics that were removed.
    deleted: int = 0

    def __add__(self, other: Report) -> Report:
        return Report(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))

    def counts(self) -> dict[str, int]:
        """Return the counts by name."""
        return asdict(self)

    @property
    def total(self) -> int:
        """The sum of all counts."""
        return sum(astuple(self))


def begin(holder: str, *, collects: bool = True) -> Generator[Report] | None:
    """Begin a round. Iterate to do it; each item reports one small step.

    Parameters
    ----------
    holder
        Different for each process, as :func:`new_holder` makes it.
    collects
        Whether to remove response topics.

    Returns
    -------
    generator or None
        ``None`` if another process does the housekeeping. The generator ends early if it was so
        slow that another process took the lease; close it to give the lease back sooner.
    """
    return _round(holder, collects) if take_lease(LEASE, holder, LEASE_SECONDS) else None


def steps(now: datetime, *, collects: bool = True) -> Iterator[Report]:
    """Do all kinds of housekeeping once, step by step."""
    for count in pings.ping_due(now):
        yield Report(pinged=count)
    if collects:
        for count in response_topics.remove_due(now):
            yield Report(collected=count)
    yield Report(expired=tokens.remove_unusable(now))
    for count in settlement.settle_all():
        yield Report(settled=count)
    for count in retention.remove_due(now):
        yield Report(retired=count)
    for count in deduplication.forget_due(now):
        yield Report(forgotten=count)
    for count in deletion.remove_deleted(DELETING):
        yield Report(deleted=count)


def due(now: datetime) -> int:
    """Return about how much a round has to do, as :attr:`Report.total` counts it.

    Response topics, deleted topics, tokens and messages of ``cacheall`` are not counted in advance.
    """
    return sum(each.count_due(now) for each in (pings, retention, deduplication))


def new_holder() -> str:
    """Return a new holder of the lease; the name shows where it runs."""
    return f"{socket.gethostname()[:64]}:{os.getpid()}:{uuid4().hex[:8]}"


def _round(holder: str, collects: bool) -> Generator[Report]:
    try:
        for report in steps(clock.now(), collects=collects):
            yield report
            if not take_lease(LEASE, holder, LEASE_SECONDS):
                return
    finally:
        release_lease(LEASE, holder)


# --- beside a server --------------------------------------------------------------------------


async def run_regularly(
    services: Services, on_round: Callable[[Report | None], None] | None = None
) -> None:
    """Do the housekeeping every minute, without end; errors are logged.

    Parameters
    ----------
    services
        Of the running event loop.
    on_round
        Called after each round with its report; with ``None`` if another process did the work.
    """
    announce_from_running_loop()
    holder, collects = new_holder(), False
    while True:
        try:
            await keep_needed_topics(services.hub)
            report = await _one_round(holder, collects)
            # After a minute in which the database answered: before, other servers could perhaps
            # not put off the removal of topics that have consumers there.
            collects = True
        except BrokerError as error:  # most likely the database, for a while
            collects = False
            logger.warning("Housekeeping was put off: %s", error)
        except Exception:
            collects = False
            logger.exception("Housekeeping failed; it is tried again in a minute.")
        else:
            if on_round is not None:
                on_round(report)
        await asyncio.sleep(INTERVAL)


async def keep_needed_topics(hub: Hub) -> None:
    """Put the removal of response topics off that have consumers in this process.

    Beside the regular sweep, so that no round removes one, whatever the clock shows.
    """
    await keep_response_topics(
        [each for each in hub.topics if hub.listeners(each, MessagePublished)]
    )


async def _one_round(holder: str, collects: bool) -> Report | None:
    work = await database.write(partial(begin, holder, collects=collects))
    if work is None:
        return None
    total = Report()
    try:
        # Step by step, so that writes of clients do not wait for the whole round.
        while (report := await database.write(_next, work)) is not None:
            total += report
    finally:
        await _give_back(work)
    return total


async def _give_back(work: Generator[Report]) -> None:
    # In the thread that does the work, behind the current step, also if we were cancelled or timed
    # out during it. It is always closed: a generator that is only dropped would be closed in some
    # other thread, and write to the database from there.
    ended = database.hand_over(work.close)
    ended.add_done_callback(_note_failure)
    await asyncio.wait([ended], timeout=app_settings.DASF_DATABASE_TIMEOUT)


def _note_failure(ended: asyncio.Future[None]) -> None:
    if not ended.cancelled() and (error := ended.exception()) is not None:
        logger.warning("The lease of the housekeeping ends by itself: %s", error)


def _next(work: Iterator[Report]) -> Report | None:
    return next(work, None)
