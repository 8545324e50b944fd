"""The system checks: each tells of its own mistake, and none disturbs a project without any."""

from __future__ import annotations

from typing import Any

import pytest
from django.conf import settings as django_settings
from guardian.conf import settings as guardian_settings
from pytest_django import Settings

from dasf_broker import primary
from dasf_broker.checks import check_durability, check_settings, check_sqlite

IN_MEMORY = {"BACKEND": "channels.layers.InMemoryChannelLayer"}
GOOD_SQLITE = {
    "ENGINE": "django.db.backends.sqlite3",
    "OPTIONS": {"transaction_mode": "IMMEDIATE", "init_command": "PRAGMA journal_mode=WAL;"},
}


def test_the_test_project_has_no_mistake(settings: Settings) -> None:
    """It runs in DEBUG; pytest-django takes that away."""
    settings.DEBUG = True
    assert ids(check_settings()) == []
    assert ids(check_sqlite(databases=["default"])) == []


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"DASF_PAGE_SIZE": 0}, "E001"),
        ({"DASF_STORE_MESSAGES": "sometimes"}, "E001"),
        ({"AUTHENTICATION_BACKENDS": ["django.contrib.auth.backends.ModelBackend"]}, "E002"),
        ({"CHANNEL_LAYERS": {}}, "E003"),
        ({"CHANNEL_LAYERS": {"other": IN_MEMORY}}, "E003"),
        ({"CHANNEL_LAYERS": {"default": IN_MEMORY}, "DEBUG": False}, "W001"),
        ({"DASF_USER_RATES": {"publish": "often"}}, "E001"),
        ({"DASF_RATE_CACHE": "missing"}, "E006"),
        ({"DASF_MAX_RESULT_SIZE": 2 * 1024 * 1024 - 1}, "W005"),
        ({"DASF_MAX_MESSAGE_SIZE": 8 * 1024 * 1024 + 1}, "W005"),
        ({"DASF_MAX_MESSAGE_SIZE": 0}, "E001"),
    ],
)
def test_each_mistake_is_told(values: dict[str, Any], expected: str, settings: Settings) -> None:
    """With its own id, and with nothing else."""
    settings.DEBUG = True
    for name, value in values.items():
        setattr(settings, name, value)
    assert set(ids(check_settings())) == {f"dasf_broker.{expected}"}


def test_guardians_anonymous_user_is_needed(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Anonymous callers hold their rights through it."""
    settings.DEBUG = True
    monkeypatch.setattr(guardian_settings, "ANONYMOUS_USER_NAME", None)
    assert ids(check_settings()) == ["dasf_broker.E002"]


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({}, ["dasf_broker.E004"]),
        ({"hosts": ["redis://localhost"]}, ["dasf_broker.E004"]),
        ({"hosts": [("localhost", 6379)]}, ["dasf_broker.E004"]),
        ({"hosts": [{"address": "redis://localhost"}]}, ["dasf_broker.E004"]),
        ({"hosts": [{"address": "redis://localhost", "socket_timeout": 30}]}, ["dasf_broker.E004"]),
        ({"hosts": [{"address": "redis://localhost", "socket_timeout": None}]}, []),
    ],
)
def test_redis_connections_must_not_time_out(
    config: dict[str, Any], expected: list[str], settings: Settings
) -> None:
    """Some form of every host list, with and without the timeout of redis-py."""
    layer = {"BACKEND": "channels_redis.core.RedisChannelLayer", "CONFIG": config}
    settings.CHANNEL_LAYERS = {"default": layer}
    assert ids(check_settings()) == expected


@pytest.mark.parametrize(
    ("database", "expected"),
    [
        (GOOD_SQLITE, []),
        ({"ENGINE": "django.db.backends.postgresql"}, []),
        ({"ENGINE": "django.db.backends.sqlite3"}, ["dasf_broker.W002"]),
        (
            {**GOOD_SQLITE, "OPTIONS": {"init_command": "PRAGMA journal_mode=WAL;"}},
            ["dasf_broker.W002"],
        ),
        ({**GOOD_SQLITE, "OPTIONS": {"transaction_mode": "IMMEDIATE"}}, ["dasf_broker.W002"]),
    ],
)
def test_sqlite_must_be_made_for_several_writers(
    database: dict[str, Any], expected: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A write-ahead log and immediate transactions, both."""
    monkeypatch.setitem(django_settings.DATABASES, "checked", database)
    monkeypatch.setattr(primary, "alias", lambda: "checked")
    assert ids(check_sqlite(databases=["checked"])) == expected


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, []),
        ({"options": "-c synchronous_commit=off"}, ["dasf_broker.E005"]),
        ({"options": "-c statement_timeout=8000 -csynchronous_commit=OFF"}, ["dasf_broker.E005"]),
        ({"options": "--synchronous-commit=false"}, ["dasf_broker.E005"]),
        ({"options": "-c synchronous_commit=0"}, ["dasf_broker.E005"]),
        ({"options": "-c synchronous_commit=off -c synchronous_commit=on"}, []),
        ({"options": "-c synchronous_commit=local"}, []),
        ({"options": "-c statement_timeout=8000"}, []),
    ],
)
def test_postgresql_must_wait_for_the_disk(
    options: dict[str, Any],
    expected: list[str],
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In any way that its command line can be written, and the last one counts."""
    settings.DEBUG = True
    checked = {"ENGINE": "django.db.backends.postgresql", "OPTIONS": options}
    monkeypatch.setitem(django_settings.DATABASES, "checked", checked)
    monkeypatch.setattr(primary, "alias", lambda: "checked")
    assert ids(check_settings()) == expected


@pytest.mark.parametrize(
    ("pragma", "expected"),
    [
        ("PRAGMA synchronous=OFF;", ["dasf_broker.E005"]),
        ("pragma main.synchronous = 0", ["dasf_broker.E005"]),
        ("PRAGMA synchronous(off)", ["dasf_broker.E005"]),
        ("PRAGMA synchronous=FULL;", []),
        ("PRAGMA synchronous=NORMAL;", []),
        (None, []),
    ],
)
def test_sqlite_must_wait_for_the_disk(
    pragma: str | None,
    expected: list[str],
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As its options say it."""
    settings.DEBUG = True
    checked = {**GOOD_SQLITE, "OPTIONS": {"init_command": pragma}}
    monkeypatch.setitem(django_settings.DATABASES, "checked", checked)
    monkeypatch.setattr(primary, "alias", lambda: "checked")
    assert ids(check_settings()) == expected


def test_other_databases_are_not_looked_at(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The host may lose what it wants to in a database of its own."""
    settings.DEBUG = True
    lossy = {**GOOD_SQLITE, "OPTIONS": {"init_command": "PRAGMA synchronous=OFF;"}}
    monkeypatch.setitem(django_settings.DATABASES, "other", lossy)
    assert check_settings() == check_sqlite(["other"]) == check_durability(["other"]) == []


@pytest.mark.parametrize("check", [check_sqlite, check_durability])
def test_no_database_is_looked_at_unless_asked(check: Any) -> None:
    """Django runs such checks only for the databases of a command."""
    assert check(databases=None) == []


def ids(messages: Any) -> list[str]:
    """Return the ids of what was told."""
    return [message.id for message in messages]
