"""System checks: report settings that would lose messages or rights before the server runs.

``dasf_broker.E001`` a setting has a value that cannot be used · ``E002`` guardian's backend is
missing, or a backend cannot be made · ``E003`` no channel layer, or none that can be made ·
``E004`` Redis connections that end after some idle seconds · ``E005`` a database that answers
before a commit is on disk · ``W001`` an in-memory channel layer outside of DEBUG · ``W002`` SQLite
without write-ahead log or immediate transactions · ``W003`` a database that loses its last commits
in a power cut · ``E006`` rate limits without the cache that counts · ``W004`` a cache that cannot
count for several processes · ``W005`` results that are too small for the largest messages ·
``E007`` an entry of ``DASF_ALLOWED_ORIGINS`` that is not an origin.

Durability is read from the settings, and from the database itself if a command checks databases
(``check --database default``, ``migrate``). What a host names by a dotted path is made, and asked
of which class it is: hosts have classes of their own below those of others.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from channels import DEFAULT_CHANNEL_LAYER
from channels.layers import InMemoryChannelLayer, channel_layers
from django.conf import settings
from django.contrib.auth import load_backend
from django.core.cache import caches
from django.core.cache.backends import db, dummy, filebased, locmem
from django.core.checks import CheckMessage, Error, Tags, Warning, register  # noqa: A004
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, connections
from django.db.utils import load_backend as load_engine
from guardian.backends import ObjectPermissionBackend

from dasf_broker import app_settings, primary, test_mode
from dasf_broker.domain.origins import fault_of


@register(Tags.compatibility)
def check_settings(**_: Any) -> list[CheckMessage]:
    """Check the broker's own settings, guardian's, the channel layer's and the databases'."""
    return [
        *_values(),
        *_schema(),
        *_guardian(),
        *_channel_layer(),
        *_lossy_options(),
        *_rates(),
        *_sizes(),
        *_origins(),
    ]


@register(Tags.database)
def check_sqlite(databases: Any = None, **_: Any) -> list[CheckMessage]:
    """Check that SQLite makes concurrent writers wait instead of failing."""
    return [
        Warning(
            f"SQLite database {alias!r} will answer concurrent writers with 'locked'.",
            hint='Set OPTIONS: {"transaction_mode": "IMMEDIATE", "timeout": 8, "init_command": '
            '"PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"}.',
            id="dasf_broker.W002",
        )
        for alias in _ours(databases)
        if _is_fragile_sqlite(settings.DATABASES[alias])
    ]


@register(Tags.database)
def check_durability(databases: Any = None, **_: Any) -> list[CheckMessage]:
    """Ask the databases whether a commit is on disk before they answer."""
    found: list[CheckMessage] = []
    for alias in _ours(databases):
        if not _is_lossy_by_options(settings.DATABASES[alias]):  # that was told already
            try:
                found += _durability(alias)
            except DatabaseError:
                continue  # the code that needs the database reports that it does not answer
    return found


def _ours(databases: Iterable[str] | None) -> list[str]:
    """Keep the database that holds the broker's tables; others are none of its business."""
    return [alias for alias in databases or () if alias == primary.alias()]


def _values() -> Iterator[CheckMessage]:
    for name in app_settings.DEFAULTS:
        try:
            getattr(app_settings, name)
        except ImproperlyConfigured as error:
            yield Error(str(error), id="dasf_broker.E001")


def _schema() -> Iterator[CheckMessage]:
    # Here, because it takes long to build, and most processes of a host do without.
    from dasf_broker.schema import served_schema

    try:
        served_schema()
    except (ImproperlyConfigured, ImportError) as error:
        yield Error(f"DASF_GRAPHQL_SCHEMA: {error}", id="dasf_broker.E001")


def _origins() -> Iterator[CheckMessage]:
    try:
        entries = app_settings.DASF_ALLOWED_ORIGINS
    except ImproperlyConfigured:
        return  # that was told already
    for entry in entries:
        if (fault := fault_of(entry)) is not None:
            yield Error(f"DASF_ALLOWED_ORIGINS: {fault}.", id="dasf_broker.E007")


def _guardian() -> Iterator[CheckMessage]:
    made = [_make(load_backend, path) for path in settings.AUTHENTICATION_BACKENDS]
    faults = [each for each in made if isinstance(each, _Fault)]
    yield from (each.message("AUTHENTICATION_BACKENDS", "E002") for each in faults)
    if not faults and not any(isinstance(each, ObjectPermissionBackend) for each in made):
        yield Error(
            "Rights on single topics are not seen by Django.",
            hint="Add 'guardian.backends.ObjectPermissionBackend', or a subclass of it, to "
            "AUTHENTICATION_BACKENDS.",
            id="dasf_broker.E002",
        )


def _channel_layer() -> Iterator[CheckMessage]:
    if not getattr(settings, "CHANNEL_LAYERS", {}).get(DEFAULT_CHANNEL_LAYER):
        yield Error(
            "There is no channel layer: subscribers would receive nothing.",
            hint="Set CHANNEL_LAYERS; InMemoryChannelLayer will do for one process.",
            id="dasf_broker.E003",
        )
        return
    layer = _make(channel_layers.make_backend, DEFAULT_CHANNEL_LAYER)
    if isinstance(layer, _Fault):
        yield layer.message("CHANNEL_LAYERS", "E003")
    if isinstance(layer, InMemoryChannelLayer) and _is_in_production():
        yield Warning(
            "The in-memory channel layer does not reach other processes: subscribers there "
            "receive messages only when their process polls the database.",
            hint="Use channels_redis if there is more than one server process.",
            id="dasf_broker.W001",
        )
    if _ends_when_idle(layer):
        yield Error(
            "The connections of the channel layer to Redis end after some idle seconds, by default "
            "of redis-py 8 after 5.",
            hint='Set "hosts": [{"address": ..., "socket_timeout": None}].',
            id="dasf_broker.E004",
        )


def _rates() -> Iterator[CheckMessage]:
    alias = str(getattr(settings, "DASF_RATE_CACHE", None) or "default")
    if alias not in settings.CACHES:
        yield Error(
            f"There is no cache {alias!r} that could count for rates.",
            hint=f"DASF_RATE_CACHE is one of CACHES: {', '.join(settings.CACHES)}.",
            id="dasf_broker.E006",
        )
        return
    cache = _make(caches.create_connection, alias)
    if isinstance(cache, _Fault):
        yield cache.message("CACHES", "E006")
    are_set = any(getattr(settings, f"DASF_{whose}_RATES", None) for whose in ("USER", "ADDRESS"))
    if are_set and isinstance(cache, _LONELY_CACHES) and _is_in_production():
        yield Warning(
            f"The cache {alias!r} does not count for several processes: the rates are those of "
            "one process, or less exact.",
            hint="Use Redis or Memcached where there is more than one server process.",
            id="dasf_broker.W004",
        )


def _sizes() -> Iterator[CheckMessage]:
    try:
        result, message = app_settings.DASF_MAX_RESULT_SIZE, app_settings.DASF_MAX_MESSAGE_SIZE
    except ImproperlyConfigured:
        return  # that was told already
    if result < 2 * message:
        yield Warning(
            f"DASF_MAX_RESULT_SIZE ({result}) is less than twice DASF_MAX_MESSAGE_SIZE "
            f"({message}): the largest messages may be published, but not read.",
            hint="A result may contain a message several times: allow for some of them.",
            id="dasf_broker.W005",
        )


def _is_in_production() -> bool:
    """Tell whether there may be several processes: Django's tests run without DEBUG, too."""
    return not settings.DEBUG and not test_mode.are_running()


#: They count for one process only, not at all, or in two steps.
_LONELY_CACHES = (locmem.LocMemCache, dummy.DummyCache, db.DatabaseCache, filebased.FileBasedCache)


@dataclass(frozen=True, slots=True)
class _Fault:
    """Why what a host names in its settings cannot be made."""

    name: Any
    error: Exception

    def message(self, setting: str, code: str) -> CheckMessage:
        """Return the message of a check."""
        kind = type(self.error).__name__
        return Error(
            f"{setting}: {self.name!r} cannot be used: {kind}: {self.error}",
            hint="Correct the dotted path and its options, and install what it needs.",
            id=f"dasf_broker.{code}",
        )


def _make(make: Callable[[Any], Any], name: Any) -> Any:
    try:
        return make(name)
    except Exception as error:  # noqa: BLE001 - modules of hosts raise what they like
        return _Fault(name, error)


def _ends_when_idle(layer: Any) -> bool:
    """Tell whether a layer's connections to Redis end while they wait for the next message."""
    redis = sys.modules.get("channels_redis.core")
    if redis is None or not isinstance(layer, redis.RedisChannelLayer):
        return False
    # No connection is opened: it only says how it would wait.
    waiting = [
        _make(lambda host: layer.create_pool(host).make_connection(), host)
        for host in range(layer.ring_size)
    ]
    return any(getattr(each, "socket_timeout", None) for each in waiting)


def _is_fragile_sqlite(database: Any) -> bool:
    options = database.get("OPTIONS", {})
    return _is_sqlite(database) and (
        options.get("transaction_mode") != "IMMEDIATE"
        or "wal" not in options.get("init_command", "").lower()
    )


# --- durability -------------------------------------------------------------------------------

#: How PostgreSQL's command line names a setting: ``-c synchronous_commit=off``.
_COMMIT_OPTION = re.compile(r"synchronous[_-]commit\s*=\s*'?(\w+)", re.IGNORECASE)
_SYNCHRONOUS_PRAGMA = re.compile(r"\bsynchronous\s*[=(]\s*'?(\w+)", re.IGNORECASE)
_OFF = {"off", "false", "no", "0"}


def _is_sqlite(database: Any) -> bool:
    """Tell whether a backend is one of SQLite, which may be the host's own."""
    backend = _make(load_engine, database.get("ENGINE"))
    return not isinstance(backend, _Fault) and backend.DatabaseWrapper.vendor == "sqlite"


def _lossy_options() -> Iterator[CheckMessage]:
    for alias in _ours(settings.DATABASES):
        if _is_lossy_by_options(settings.DATABASES[alias]):
            yield _lossy(alias)


def _is_lossy_by_options(database: Any) -> bool:
    options = database.get("OPTIONS", {})
    pattern, text = (
        (_SYNCHRONOUS_PRAGMA, options.get("init_command"))
        if _is_sqlite(database)
        else (_COMMIT_OPTION, options.get("options"))
    )
    given = pattern.findall(text or "")
    return bool(given) and given[-1].lower() in _OFF  # the last one counts


def _durability(alias: str) -> Iterator[CheckMessage]:
    match connections[alias].vendor:
        case "postgresql":
            if _ask(alias, "SHOW synchronous_commit") == "off":
                yield _lossy(alias)
            if _ask(alias, "SHOW fsync") == "off":
                yield _fragile(alias, "Set fsync = on in postgresql.conf.")
        case "sqlite":
            level = _ask(alias, "PRAGMA synchronous")
            if level == "0":
                yield _lossy(alias)
            elif level == "1":
                yield _fragile(alias, 'Say "PRAGMA synchronous=FULL" in its "init_command".')


def _ask(alias: str, query: str) -> str:
    with connections[alias].cursor() as cursor:
        cursor.execute(query)
        return str(cursor.fetchone()[0]).lower()


def _lossy(alias: str) -> CheckMessage:
    return Error(
        f"Database {alias!r} says that a message is stored before it is: a crash loses what was "
        "answered.",
        hint="Leave synchronous_commit of PostgreSQL on (or at `local`), and SQLite's "
        "`PRAGMA synchronous` at FULL.",
        id="dasf_broker.E005",
    )


def _fragile(alias: str, hint: str) -> CheckMessage:
    return Warning(
        f"A power cut can take the last messages of database {alias!r} that were answered.",
        hint=hint,
        id="dasf_broker.W003",
    )
