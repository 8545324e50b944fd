"""System checks: settings that would lose messages or rights are told before the server runs.

``dasf_broker.E001`` a setting has a value that cannot be used · ``E002`` guardian's backend or
anonymous user is missing · ``E003`` no channel layer · ``E004`` Redis connections that end after
five idle seconds · ``W001`` an in-memory channel layer outside of DEBUG · ``W002`` SQLite without
write-ahead log or immediate transactions.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register  # noqa: A004
from django.core.exceptions import ImproperlyConfigured
from guardian.conf import settings as guardian_settings

from dasf_broker import app_settings


@register(Tags.compatibility)
def check_settings(**_: Any) -> list[CheckMessage]:
    """Check the broker's own settings, guardian's, and the channel layer's."""
    return [*_values(), *_guardian(), *_channel_layer()]


@register(Tags.database)
def check_sqlite(databases: Any = None, **_: Any) -> list[CheckMessage]:
    """Check that concurrent writers get along on SQLite."""
    return [
        Warning(
            f"SQLite database {alias!r} will answer concurrent writers with 'locked'.",
            hint='Set OPTIONS: {"transaction_mode": "IMMEDIATE", "timeout": 8, "init_command": '
            '"PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"}.',
            id="dasf_broker.W002",
        )
        for alias in databases or ()
        if _is_fragile_sqlite(settings.DATABASES[alias])
    ]


def _values() -> Iterator[CheckMessage]:
    for name in app_settings.DEFAULTS:
        try:
            getattr(app_settings, name)
        except ImproperlyConfigured as error:
            yield Error(str(error), id="dasf_broker.E001")


def _guardian() -> Iterator[CheckMessage]:
    if "guardian.backends.ObjectPermissionBackend" not in settings.AUTHENTICATION_BACKENDS:
        yield Error(
            "Rights on single topics are not seen by Django.",
            hint="Add 'guardian.backends.ObjectPermissionBackend' to AUTHENTICATION_BACKENDS.",
            id="dasf_broker.E002",
        )
    if guardian_settings.ANONYMOUS_USER_NAME is None:
        yield Error(
            "The broker needs guardian's anonymous user for callers without an account.",
            hint="Do not set ANONYMOUS_USER_NAME to None.",
            id="dasf_broker.E002",
        )


def _channel_layer() -> Iterator[CheckMessage]:
    layer = getattr(settings, "CHANNEL_LAYERS", {}).get("default")
    if not layer:
        yield Error(
            "There is no channel layer: subscribers would hear nothing.",
            hint="Set CHANNEL_LAYERS; InMemoryChannelLayer will do for one process.",
            id="dasf_broker.E003",
        )
        return
    if layer["BACKEND"].endswith("InMemoryChannelLayer") and not settings.DEBUG:
        yield Warning(
            "The in-memory channel layer does not reach other processes: subscribers there "
            "hear of messages only by looking.",
            hint="Use channels_redis if there is more than one server process.",
            id="dasf_broker.W001",
        )
    if layer["BACKEND"].startswith("channels_redis.core") and _has_timeout(layer):
        yield Error(
            "redis-py 8 ends connections after 5 idle seconds.",
            hint='Set "hosts": [{"address": ..., "socket_timeout": None}].',
            id="dasf_broker.E004",
        )


def _has_timeout(layer: Any) -> bool:
    hosts = layer.get("CONFIG", {}).get("hosts", [None])
    return any(not isinstance(host, dict) or host.get("socket_timeout", 5) for host in hosts)


def _is_fragile_sqlite(database: Any) -> bool:
    options = database.get("OPTIONS", {})
    return database["ENGINE"].endswith("sqlite3") and (
        options.get("transaction_mode") != "IMMEDIATE"
        or "wal" not in options.get("init_command", "").lower()
    )
