"""System checks of PostgreSQL's connections: that there are enough, and what transactions see.

``dasf_broker.E010`` a connection pool that the broker's threads use up · ``E011`` transactions that
read what was there when they began (`repeatable read`) · ``W006`` transactions that fail when
others come in between (`serializable`).

The isolation level is read from the settings, and from the database itself if a command checks
databases (``check --database default``, ``migrate``).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register  # noqa: A004
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, connections

from dasf_broker import app_settings, primary

#: The default of psycopg's pool.
POOL_SIZE = 4

#: Connections for the pages of the host, at least.
FOR_THE_HOST = 1

_LEVELS = {3: "repeatable read", 4: "serializable"}


@register(Tags.compatibility)
def check_connections(**_: Any) -> list[CheckMessage]:
    """Check what the settings say of the broker's database."""
    alias = primary.alias()
    options = settings.DATABASES.get(alias, {}).get("OPTIONS", {})
    level = _LEVELS.get(int(options.get("isolation_level", 0)))
    return [*_pool(alias, options.get("pool")), *_isolation(alias, level)]


@register(Tags.database)
def check_isolation(databases: Any = None, **_: Any) -> list[CheckMessage]:
    """Ask the broker's database for the isolation level that it gives a session."""
    alias = primary.alias()
    is_given = "isolation_level" in settings.DATABASES.get(alias, {}).get("OPTIONS", {})
    if alias not in (databases or ()) or connections[alias].vendor != "postgresql" or is_given:
        return []
    try:
        with connections[alias].cursor() as cursor:
            cursor.execute("SHOW default_transaction_isolation")
            return [*_isolation(alias, cursor.fetchone()[0])]
    except DatabaseError:
        return []  # the code that needs the database reports that it does not answer


def _pool(alias: str, pool: Any) -> Iterator[CheckMessage]:
    try:
        parts = _threads() if pool else {}
    except ImproperlyConfigured:
        return  # that was told already
    needed, most = sum(parts.values()), _max_size(pool)
    if parts and most < needed + FOR_THE_HOST:
        sum_of_parts = " + ".join(f"{count} {what}" for what, count in parts.items())
        yield Error(
            f"The connection pool of database {alias!r} has at most {most} connections. The broker "
            f"uses up to {needed} in each server process: {sum_of_parts}. Your own pages need "
            f"{FOR_THE_HOST} more, at least.",
            hint=f'Set OPTIONS: {{"pool": {{"min_size": 1, "max_size": {needed + POOL_SIZE}, '
            '"timeout": 8}}, or lower DASF_DATABASE_THREADS.',
            id="dasf_broker.E010",
        )


def _threads() -> dict[str, int]:
    """Return how many threads may have a connection at once, by what they do."""
    parts = {
        "that read, also for the hub (DASF_DATABASE_THREADS)": app_settings.DASF_DATABASE_THREADS,
        "that writes, also for the housekeeping": 1,
    }
    cache = settings.CACHES.get(app_settings.DASF_RATE_CACHE, {}).get("BACKEND", "")
    if cache.endswith(".DatabaseCache"):
        parts["that counts in the cache (DASF_RATE_CACHE)"] = 1
    return parts


def _max_size(pool: Any) -> int:
    options = pool if isinstance(pool, dict) else {}
    least = options.get("min_size", POOL_SIZE)
    return int(options.get("max_size") or least)


def _isolation(alias: str, level: str | None) -> Iterator[CheckMessage]:
    hint = (
        "Leave it at `read committed`, and ask for another level where you need it: SET "
        "TRANSACTION ISOLATION LEVEL SERIALIZABLE, as the first statement of a transaction."
    )
    if level == "repeatable read":
        yield Error(
            f"Transactions of database {alias!r} are `repeatable read`: of two acknowledgements at "
            "the same moment neither sees the other one, and messages stay that nobody needs.",
            hint=hint,
            id="dasf_broker.E011",
        )
    if level == "serializable":
        yield Warning(
            f"Transactions of database {alias!r} are `serializable`: whenever two server processes "
            "write to one topic at the same moment, one of them has to begin again.",
            hint=hint,
            id="dasf_broker.W006",
        )
