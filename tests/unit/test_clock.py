"""Moments with an offset, in projects with and without ``USE_TZ``."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from django.db import connection
from pytest_django import Settings

from dasf_broker import clock
from dasf_broker.schema.scalars import SCALARS

TOKYO = timezone(timedelta(hours=9))
NOON = datetime.fromisoformat("2026-07-01T12:00:00")


@pytest.fixture(params=[True, False], ids=["USE_TZ", "local times"])
def use_tz(request: pytest.FixtureRequest, settings: Settings) -> bool:
    """Return whether the project stores moments."""
    settings.TIME_ZONE, settings.USE_TZ = "America/New_York", request.param
    return bool(request.param)


def test_now_has_an_offset(use_tz: bool) -> None:
    """It can be compared with every other moment."""
    assert abs(clock.now() - datetime.now(UTC)) < timedelta(minutes=1)


def test_local_times(use_tz: bool) -> None:
    """A time without an offset is one of the project's zone; all others stay."""
    assert clock.moment(NOON) == datetime(2026, 7, 1, 16, tzinfo=UTC)
    assert clock.moment(NOON.replace(tzinfo=TOKYO)) == datetime(2026, 7, 1, 3, tzinfo=UTC)


def test_two_moments_of_an_autumn_night(use_tz: bool) -> None:
    """They are in order, an hour apart, and equal to themselves in UTC."""
    local = datetime.fromisoformat("2026-11-01T01:30:00")
    first, second = clock.moment(local), clock.moment(local.replace(fold=1))
    assert second - first == timedelta(hours=1)
    assert first < second
    assert [first, second] == [datetime(2026, 11, 1, hour, 30, tzinfo=UTC) for hour in (5, 6)]


def test_a_time_that_is_skipped_in_spring(use_tz: bool) -> None:
    """It is a moment all the same."""
    skipped = datetime.fromisoformat("2026-03-08T02:30:00")
    assert clock.moment(skipped) == datetime(2026, 3, 8, 7, 30, tzinfo=UTC)


def test_what_callers_see(use_tz: bool) -> None:
    """An offset, always."""
    write = SCALARS[datetime].serialize
    assert write is not None
    shown = "2026-07-01T12:00:00-04:00" if use_tz else "2026-07-01T16:00:00+00:00"
    assert write(NOON) == shown
    assert write(NOON.replace(tzinfo=UTC)) == "2026-07-01T12:00:00+00:00"
    shown = "2026-07-01T12:00:00+09:00" if use_tz else "2026-07-01T03:00:00+00:00"
    assert write(NOON.replace(tzinfo=TOKYO)) == shown


def test_what_is_stored(use_tz: bool) -> None:
    """Without ``USE_TZ`` a database that knows no offsets gets the local time."""
    stored = clock.to_store(NOON.replace(tzinfo=UTC), connection)
    if use_tz or connection.features.supports_timezones:
        assert stored == NOON.replace(tzinfo=UTC)
    else:
        assert stored == NOON - timedelta(hours=4)
    assert clock.to_store(NOON, connection) == NOON
