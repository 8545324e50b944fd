"""Servers with different storage settings notice each other."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import Settings

from dasf_broker import app_settings, database
from dasf_broker.models import Lease
from dasf_broker.operations.upkeep import storage_settings
from dasf_broker.operations.upkeep.storage_settings import (
    LIFETIME,
    NAMES,
    compare_regularly,
    leave,
    others,
)
from tests.operations.streams import until

pytestmark = pytest.mark.django_db(transaction=True)

#: A value that is not the default, for each setting.
OTHER = {
    "DASF_STORE_SOURCE_MESSAGES": "disabled",
    "DASF_STORE_RESPONSE_MESSAGES": "store",
    "DASF_MAX_BACKLOG": 7,
    "DASF_MESSAGE_ID_MEMORY": 1.5,
}


@pytest.mark.parametrize("name", NAMES)
def test_each_setting_counts(name: str, settings: Settings) -> None:
    """One that differs is enough, and both sides see it."""
    default = getattr(app_settings, name)
    assert others("first:1") == {}
    setattr(settings, name, OTHER[name])
    assert [*others("second:2").values()] == ["first:1"]
    setattr(settings, name, default)
    assert [*others("first:1").values()] == ["second:2"]


def test_servers_that_are_alike(settings: Settings) -> None:
    """They share a row, whichever way they say it: one setting stands for two."""
    assert others("first:1") == {}
    settings.DASF_STORE_MESSAGES = "cache"
    assert others("second:2") == {}
    assert Lease.objects.count() == 1


def test_a_server_that_has_gone(settings: Settings) -> None:
    """It is not compared with any more: at once if it ended, else after a while."""
    others("first:1")
    settings.DASF_MAX_BACKLOG = 7
    leave("another:3")
    assert others("second:2")
    leave("first:1")
    assert others("second:2") == {}
    Lease.objects.exclude(holder="second:2").update(expires=timezone.now() + LIFETIME)
    assert others("second:2")
    Lease.objects.exclude(holder="second:2").update(expires=timezone.now())
    assert others("second:2") == {}


def test_a_clock_that_was_ahead(settings: Settings) -> None:
    """Its row is not believed for ever."""
    others("first:1")
    Lease.objects.update(expires=timezone.now() + timedelta(days=1))
    settings.DASF_MAX_BACKLOG = 7
    assert others("second:2") == {}


def test_long_values(settings: Settings) -> None:
    """They fit into a row."""
    settings.DASF_STORE_MESSAGES = "cacheall"
    settings.DASF_MAX_BACKLOG = 10**30
    settings.DASF_MESSAGE_ID_MEMORY = 123456789.123456789e20
    others("first:1")
    assert len(Lease.objects.get().name) <= 64


async def test_it_is_logged_once(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """With the values, and the name of the other server; and the row is withdrawn at the end."""
    rounds: list[int] = []

    def counted(server: str) -> dict[str, str]:
        rounds.append(1)
        return others(server)

    monkeypatch.setattr(storage_settings, "INTERVAL", 0.0)
    monkeypatch.setattr(storage_settings, "others", counted)
    await database.write(others, "first:1")
    settings.DASF_MAX_BACKLOG = 7
    settings.DASF_STORE_RESPONSE_MESSAGES = "store"
    comparing = asyncio.create_task(compare_regularly())
    await until(lambda: len(rounds) > 3)
    comparing.cancel()
    await asyncio.wait([comparing])
    [line] = caplog.messages
    assert "DASF_STORE_RESPONSE_MESSAGES is store here (" in line
    assert ") and cache at first:1; DASF_MAX_BACKLOG is 7 here (" in line
    assert ") and 100000 at first:1." in line
    assert "DASF_STORE_SOURCE_MESSAGES" not in line
    assert await database.write(_present) == ["first:1"]


async def test_a_database_that_fails_for_a_while(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It goes on afterwards."""
    rounds: list[int] = []

    def failing(_: str) -> dict[str, str]:
        rounds.append(1)
        if len(rounds) == 1:
            raise ZeroDivisionError
        return {}

    monkeypatch.setattr(storage_settings, "INTERVAL", 0.0)
    monkeypatch.setattr(storage_settings, "others", failing)
    comparing = asyncio.create_task(compare_regularly())
    await until(lambda: len(rounds) > 3)
    comparing.cancel()
    await asyncio.wait([comparing])
    assert caplog.messages == ["The storage settings of the servers could not be compared."]


def _present() -> list[str]:
    rows = Lease.objects.filter(expires__gt=timezone.now())
    return [*rows.values_list("holder", flat=True)]
