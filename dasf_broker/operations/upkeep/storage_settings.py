"""Notice servers with other storage settings, in front of the same database.

One of them would answer STORED, and the other one SENT, in one topic. Each server notes its
settings in a row, once a minute, and reads the rows of the others. There is one row for each set of
values, and not for each server.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Mapping
from datetime import timedelta

from dasf_broker import app_settings, clock, database
from dasf_broker.db_connections import retried
from dasf_broker.domain.storage import StoragePolicy
from dasf_broker.exceptions import BrokerError
from dasf_broker.models import Lease

logger = logging.getLogger(__name__)

#: What decides what a topic stores.
NAMES = (
    "DASF_STORE_SOURCE_MESSAGES",
    "DASF_STORE_RESPONSE_MESSAGES",
    "DASF_MAX_BACKLOG",
    "DASF_MESSAGE_ID_MEMORY",
)

#: How the rows begin.
PREFIX = "storage:"

#: Seconds between two comparisons, and for which a server that says no more is believed.
INTERVAL = 60.0
LIFETIME = timedelta(seconds=150)


async def compare_regularly() -> None:
    """Log servers with other settings, each set of values once, without end."""
    server, told = _this_server(), set[str]()
    try:
        while True:
            told = await _compare(server, told)
            await asyncio.sleep(INTERVAL)
    except asyncio.CancelledError:  # this server ends; one with new settings may follow at once
        database.hand_over(leave, server).add_done_callback(_forget)
        raise


@retried
def others(server: str) -> dict[str, str]:
    """Note the settings of this server; return the servers with others, by their settings."""
    now, own = clock.now(), _row_name()
    noted = {"holder": server, "expires": now + LIFETIME}
    if not Lease.objects.filter(name=own).update(**noted):
        Lease.objects.get_or_create(name=own, defaults=noted)
    rows = Lease.objects.filter(name__startswith=PREFIX, expires__gt=now).exclude(name=own)
    # A row of a server whose clock was ahead would stay for longer.
    return dict(rows.filter(expires__lte=now + 2 * LIFETIME).values_list("name", "holder"))


@retried
def leave(server: str) -> None:
    """Withdraw the settings of this server, unless another one noted the same since."""
    rows = Lease.objects.filter(name__startswith=PREFIX, holder=server)
    rows.update(expires=clock.now())


def _this_server() -> str:
    return f"{socket.gethostname()[:64]}:{os.getpid()}"


def _row_name() -> str:
    return PREFIX + "|".join(_values().values())


def _values() -> Mapping[str, str]:
    """Return the values as texts, which are short enough for the name of a row."""
    values = {name: getattr(app_settings, name) for name in NAMES}
    return {
        name: value.value if isinstance(value, StoragePolicy) else f"{value:.10g}"
        for name, value in values.items()
    }


async def _compare(server: str, told: set[str]) -> set[str]:
    """Log what was not told before; return what was."""
    try:
        found = await database.write(others, server)
    except BrokerError:
        return told  # the log has it
    except Exception:
        logger.exception("The storage settings of the servers could not be compared.")
        return told
    for row_name in sorted(found.keys() - told):
        logger.warning("%s", _difference(server, row_name, found[row_name]))
    return set(found)


def _difference(server: str, row_name: str, other: str) -> str:
    theirs = row_name.removeprefix(PREFIX).split("|")
    differing = [
        f"{name} is {mine} here ({server}) and {value} at {other}"
        for (name, mine), value in zip(_values().items(), theirs, strict=False)
        if mine != value
    ]
    told = "; ".join(differing) or f"those of {other} are of another release"
    return (
        f"Servers have different storage settings: {told}. In the same topic, one may store what "
        "the other only sends. Give all servers the same settings, and restart them."
    )


def _forget(ended: asyncio.Future[None]) -> None:
    if not ended.cancelled():
        ended.exception()  # the row ends by itself
