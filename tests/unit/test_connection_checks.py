"""The checks of PostgreSQL's connections: the arithmetic of the pool, and isolation levels."""

from __future__ import annotations

from typing import Any

import pytest
from django.conf import settings as django_settings
from hypothesis import HealthCheck, given
from hypothesis import settings as profile
from hypothesis import strategies as st
from psycopg import IsolationLevel
from pytest_django import Settings

from dasf_broker.checks.connections import check_connections

IN_THE_DATABASE = {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "counts"}


def found(**options: Any) -> list[Any]:
    """Return what is wrong with a database with these options."""
    database = {"ENGINE": "django.db.backends.postgresql", "OPTIONS": options}
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(django_settings.DATABASES, "default", database)
        return check_connections()


def test_djangos_own_pool_is_too_small() -> None:
    """It has four connections, and the broker's threads alone are five."""
    [error] = found(pool=True)
    assert error.id == "dasf_broker.E010"
    for part in ("at most 4 connections", "up to 5", "4 that read", "1 that writes", "1 more"):
        assert part in error.msg
    assert '"max_size": 9' in error.hint


def test_the_cache_may_need_a_connection(settings: Settings) -> None:
    """If it counts in a table."""
    assert found(pool={"max_size": 6}) == []
    settings.CACHES = {"default": IN_THE_DATABASE}
    [error] = found(pool={"max_size": 6})
    assert "up to 6" in error.msg
    assert "1 that counts in the cache (DASF_RATE_CACHE)" in error.msg


@profile(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    least=st.none() | st.integers(0, 20),
    most=st.none() | st.integers(1, 20),
    threads=st.integers(1, 15),
)
def test_the_arithmetic(
    least: int | None, most: int | None, threads: int, settings: Settings
) -> None:
    """A pool is large enough exactly if a connection is left for the host."""
    settings.DASF_DATABASE_THREADS = threads
    pool: dict[str, Any] = {"timeout": 8}
    pool |= {} if least is None else {"min_size": least}
    pool |= {} if most is None else {"max_size": most}
    size = most or (4 if least is None else least)
    errors = found(pool=pool)
    assert [each.id for each in errors] == ([] if size >= threads + 2 else ["dasf_broker.E010"])


@pytest.mark.parametrize("pool", [None, False, {}])
def test_without_a_pool(pool: Any) -> None:
    """Each thread opens a connection of its own."""
    assert found(pool=pool) == []


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        (IsolationLevel.READ_UNCOMMITTED, []),
        (IsolationLevel.READ_COMMITTED, []),
        (IsolationLevel.REPEATABLE_READ, ["dasf_broker.E011"]),
        (IsolationLevel.SERIALIZABLE, ["dasf_broker.W006"]),
        (4, ["dasf_broker.W006"]),
    ],
)
def test_isolation_levels(level: Any, expected: list[str]) -> None:
    """One is wrong and one is slow; Django takes them as numbers, too."""
    assert [each.id for each in found(isolation_level=level)] == expected


def test_other_databases_of_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """They may be as they like: the broker's tables are not there."""
    other = {
        "ENGINE": "django.db.backends.postgresql",
        "OPTIONS": {"pool": True, "isolation_level": IsolationLevel.REPEATABLE_READ},
    }
    monkeypatch.setitem(django_settings.DATABASES, "reports", other)
    assert check_connections() == []


def test_a_setting_that_cannot_be_read(settings: Settings) -> None:
    """That is another check's to tell."""
    settings.DASF_DATABASE_THREADS = 0
    assert found(pool=True) == []
