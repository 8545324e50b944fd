"""The system checks: each tells of its own mistake, and none disturbs a project without any."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from channels.layers import InMemoryChannelLayer
from channels_redis.core import RedisChannelLayer
from django.conf import settings as django_settings
from django.core.cache.backends.dummy import DummyCache
from django.core.cache.backends.filebased import FileBasedCache
from django.core.cache.backends.locmem import LocMemCache
from django.core.checks import CheckMessage
from guardian.backends import ObjectPermissionBackend
from guardian.conf import settings as guardian_settings
from pytest_django import Settings

from dasf_broker import primary, test_mode
from dasf_broker.checks.classes import check_classes
from dasf_broker.checks.settings import check_durability, check_settings, check_sqlite
from tests.unit import host_classes

MODEL_BACKEND = "django.contrib.auth.backends.ModelBackend"

IN_MEMORY = {"BACKEND": "channels.layers.InMemoryChannelLayer"}
GOOD_SQLITE = {
    "ENGINE": "django.db.backends.sqlite3",
    "OPTIONS": {"transaction_mode": "IMMEDIATE", "init_command": "PRAGMA journal_mode=WAL;"},
}


def check_all() -> list[CheckMessage]:
    """Run the checks of settings, of whichever module."""
    return [*check_settings(), *check_classes()]


def test_the_test_project_has_no_mistake(settings: Settings) -> None:
    """It runs in DEBUG; pytest-django takes that away."""
    settings.DEBUG = True
    assert ids(check_all()) == []
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
    assert set(ids(check_all())) == {f"dasf_broker.{expected}"}


def test_guardians_anonymous_user_may_be_missing(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Anonymous callers then do what everybody may."""
    settings.DEBUG = True
    monkeypatch.setattr(guardian_settings, "ANONYMOUS_USER_NAME", None)
    assert ids(check_all()) == []


PathOf = Callable[[str], str]

#: What the settings of hosts name, and of which class it has to be.
BASES: dict[str, Any] = {
    "backend": ObjectPermissionBackend,
    "memory": InMemoryChannelLayer,
    "redis": RedisChannelLayer,
    "locmem": LocMemCache,
    "dummy": DummyCache,
    "file": FileBasedCache,
}


@pytest.fixture(params=range(3))
def path_of(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], str]:
    """Return a function from a base to the path of a class that is so many steps below it."""

    def path(name: str) -> str:
        kind = BASES[name]
        if request.param == 0:
            return f"{kind.__module__}.{kind.__qualname__}"
        for step in range(request.param):
            kind = type(f"Own{step}", (kind,), {"__module__": host_classes.__name__})
        monkeypatch.setattr(host_classes, "Own", kind, raising=False)
        return f"{host_classes.__name__}.Own"

    return path


def test_own_backends(settings: Settings, path_of: PathOf) -> None:
    """A subclass of guardian's backend is one."""
    settings.DEBUG = True
    settings.AUTHENTICATION_BACKENDS = [MODEL_BACKEND, path_of("backend")]
    assert ids(check_all()) == []


def test_own_layers(settings: Settings, path_of: PathOf) -> None:
    """A subclass of a layer has the faults of the layer."""
    settings.DEBUG = False
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": path_of("memory")}}
    assert ids(check_all()) == ["dasf_broker.W001"]
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": path_of("redis")}}
    assert ids(check_all()) == ["dasf_broker.E004"]


@pytest.mark.parametrize("name", ["locmem", "dummy", "file"])
def test_own_caches(settings: Settings, path_of: PathOf, name: str) -> None:
    """A subclass of a cache for one process counts for one process."""
    settings.DEBUG, settings.DASF_USER_RATES = False, {"publish": "10/s"}
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": f"{host_classes.__name__}.PatientLayer"}}
    settings.CACHES = {"default": {"BACKEND": path_of(name), "LOCATION": "cache"}}
    assert ids(check_all()) == ["dasf_broker.W004"]


def test_factories_and_own_connections(settings: Settings) -> None:
    """What counts is what is made, not how."""
    settings.DEBUG = True
    settings.AUTHENTICATION_BACKENDS = [f"{host_classes.__name__}.make_backend"]
    for name in ("PatientLayer", "OwnPoolLayer"):
        settings.CHANNEL_LAYERS = {"default": {"BACKEND": f"{host_classes.__name__}.{name}"}}
        assert ids(check_all()) == []


@pytest.mark.parametrize(
    "path",
    [
        "nothing.of.this.name",
        "tests.unit.host_classes.Missing",
        "tests.unit.host_classes.fail",
        "tests.unit.host_classes.NOT_CALLABLE",
        "no_dot",
        "",
        "..",
        None,
        1,
    ],
)
def test_what_cannot_be_made(settings: Settings, path: Any) -> None:
    """A wrong path is told with the setting that has it, and nothing crashes."""
    settings.DEBUG = True
    for name, value, expected in (
        ("AUTHENTICATION_BACKENDS", [MODEL_BACKEND, path], "E002"),
        ("CHANNEL_LAYERS", {"default": {"BACKEND": path}}, "E003"),
        ("CACHES", {"default": {"BACKEND": path}}, "E006"),
    ):
        before = getattr(settings, name)
        setattr(settings, name, value)
        [message] = check_all()
        assert message.id == f"dasf_broker.{expected}"
        assert message.msg.startswith(f"{name}: ")
        setattr(settings, name, before)


@pytest.mark.parametrize(
    "layer",
    [
        {},
        {"CONFIG": {}},
        {"BACKEND": "channels.layers.InMemoryChannelLayer", "CONFIG": {"no": 1}},
        {"BACKEND": "channels_redis.core.RedisChannelLayer", "CONFIG": {"hosts": "redis://h"}},
    ],
)
def test_layers_with_wrong_options(layer: Any, settings: Settings) -> None:
    """They cannot be made, and the check says why."""
    settings.DEBUG, before = True, settings.CHANNEL_LAYERS
    settings.CHANNEL_LAYERS = {"default": layer}
    assert ids(check_all()) == ["dasf_broker.E003"]
    settings.CHANNEL_LAYERS = before


@pytest.mark.parametrize("engine", ["django.db.backends.sqlite3", "tests.unit.host_engine"])
def test_own_engines(engine: str, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite is SQLite, whoever wraps it."""
    settings.DEBUG = True
    lossy = {"ENGINE": engine, "OPTIONS": {"init_command": "PRAGMA synchronous=OFF"}}
    monkeypatch.setitem(django_settings.DATABASES, "checked", lossy)
    monkeypatch.setattr(primary, "alias", lambda: "checked")
    assert ids(check_all()) == ["dasf_broker.E005"]
    assert ids(check_sqlite(databases=["checked"])) == ["dasf_broker.W002"]


def test_an_engine_that_is_missing(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who needs the database reports it."""
    settings.DEBUG = True
    monkeypatch.setitem(django_settings.DATABASES, "checked", {"ENGINE": "nothing"})
    monkeypatch.setattr(primary, "alias", lambda: "checked")
    assert ids(check_all()) == []
    assert ids(check_sqlite(databases=["checked"])) == []


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({}, ["dasf_broker.E004"]),
        ({"hosts": ["redis://localhost"]}, ["dasf_broker.E004"]),
        ({"hosts": [("localhost", 6379)]}, ["dasf_broker.E004"]),
        ({"hosts": [{"address": "redis://localhost"}]}, ["dasf_broker.E004"]),
        ({"hosts": [{"address": "redis://localhost", "socket_timeout": 30}]}, ["dasf_broker.E004"]),
        ({"hosts": [{"address": "redis://localhost", "socket_timeout": None}]}, []),
        ({"hosts": [{"address": "redis://localhost", "socket_timeout": 0}]}, []),
        ({"hosts": ["redis://localhost?socket_timeout=30"]}, ["dasf_broker.E004"]),
    ],
)
def test_redis_connections_must_not_time_out(
    config: dict[str, Any], expected: list[str], settings: Settings
) -> None:
    """Some form of every host list, with and without the timeout of redis-py."""
    layer = {"BACKEND": "channels_redis.core.RedisChannelLayer", "CONFIG": config}
    settings.CHANNEL_LAYERS = {"default": layer}
    assert ids(check_all()) == expected


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
    assert ids(check_all()) == expected


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
    assert ids(check_all()) == expected


def test_other_databases_are_not_looked_at(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The host may lose what it wants to in a database of its own."""
    settings.DEBUG = True
    lossy = {**GOOD_SQLITE, "OPTIONS": {"init_command": "PRAGMA synchronous=OFF;"}}
    monkeypatch.setitem(django_settings.DATABASES, "other", lossy)
    assert check_all() == check_sqlite(["other"]) == check_durability(["other"]) == []


def test_a_run_of_tests_is_no_production(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Django's runner switches DEBUG off, and checks: what a host tests with is fine for that."""
    settings.DEBUG, settings.DASF_USER_RATES = False, {"publish": "10/s"}
    settings.CHANNEL_LAYERS = {"default": IN_MEMORY}
    assert ids(check_all()) == ["dasf_broker.W001", "dasf_broker.W004"]
    monkeypatch.setattr(test_mode, "are_running", lambda: True)
    assert ids(check_all()) == []


@pytest.mark.parametrize("check", [check_sqlite, check_durability])
def test_no_database_is_looked_at_unless_asked(check: Any) -> None:
    """Django runs such checks only for the databases of a command."""
    assert check(databases=None) == []


def ids(messages: Any) -> list[str]:
    """Return the ids of what was told."""
    return [message.id for message in messages]
