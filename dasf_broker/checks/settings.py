"""System checks of settings, and of how durable the database is.

``dasf_broker.E001`` a setting has a value that cannot be used · ``E005`` a database that answers
before a commit is on disk · ``W002`` SQLite without write-ahead log or immediate transactions ·
``W003`` a database that loses its last commits in a power cut · ``W005`` results that are too small
for the largest messages · ``E007`` an entry of ``DASF_ALLOWED_ORIGINS`` that is not an origin.

Durability is read from the settings, and from the database itself if a command checks databases
(``check --database default``, ``migrate``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register  # noqa: A004
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, connections
from django.db.utils import load_backend

from dasf_broker import app_settings, primary
from dasf_broker.domain.origins import fault_of


@register(Tags.compatibility)
def check_settings(**_: Any) -> list[CheckMessage]:
    """Check the broker's own settings, and those of its database."""
    return [
        *_values(),
        *_schema(),
        *_lossy_options(),
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
    try:
        return bool(load_backend(database.get("ENGINE")).DatabaseWrapper.vendor == "sqlite")
    except (ImproperlyConfigured, ImportError):
        return False  # the code that needs the database says so


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
