"""Rates as hosts write them, and what their settings say to a mistake."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from pytest_django import Settings

from dasf_broker import app_settings
from dasf_broker.domain.rates import Activity, Rate


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1000/m", Rate(1000, 60)),
        ("1/s", Rate(1, 1)),
        ("30/minute", Rate(30, 60)),
        ("5 / hour", Rate(5, 3600)),
        ("1_000/day", Rate(1000, 86400)),
        ("50MB/h", Rate(50_000_000, 3600)),
        ("10k/s", Rate(10_000, 1)),
        ("2 GB/d", Rate(2_000_000_000, 86400)),
        ("0/m", Rate(0, 60)),
    ],
)
def test_texts(text: str, expected: Rate) -> None:
    """As in Django REST framework, and with multiples for bytes."""
    assert Rate.parse(text) == expected


@pytest.mark.parametrize("text", ["", "often", "10", "10/", "/m", "-1/m", "1.5/m", "10/w", "x1/m"])
def test_what_is_no_rate(text: str) -> None:
    """The error says how to write one."""
    with pytest.raises(ValueError, match='like "1000/m"'):
        Rate.parse(text)


def test_windows() -> None:
    """A window ends when the next one begins; there is always something to wait for."""
    rate = Rate(1, 60)
    assert rate.window(119.9) == 1
    assert rate.window(120.0) == 2
    assert rate.retry_after(60.0) == 60
    assert rate.retry_after(119.999) == 1


def test_description() -> None:
    """What is told to who was refused."""
    assert Rate(5, 60).describe(Activity.PING) == "at most 5 pings per minute"


def test_defaults(settings: Settings) -> None:
    """New topics and wrong credentials are counted, and stay so where something else is set."""
    of_addresses = {"create": "6000/h", "failed_authentication": "30/m"}
    assert app_settings.DASF_USER_RATES == {"create": "600/h"}
    assert of_addresses == app_settings.DASF_ADDRESS_RATES
    settings.DASF_USER_RATES = settings.DASF_ADDRESS_RATES = {"ping": "1/s"}
    assert app_settings.DASF_USER_RATES == {"create": "600/h", "ping": "1/s"}
    assert {**of_addresses, "ping": "1/s"} == app_settings.DASF_ADDRESS_RATES
    settings.DASF_USER_RATES = {"create": None}
    settings.DASF_ADDRESS_RATES = {"failed_authentication": None}
    assert not app_settings.DASF_USER_RATES["create"]
    assert not app_settings.DASF_ADDRESS_RATES["failed_authentication"]


@pytest.mark.parametrize(
    ("name", "value", "hint"),
    [
        ("DASF_USER_RATES", {"publishes": "1/m"}, "publish, publish_bytes, ping, query, subscribe"),
        ("DASF_USER_RATES", {"failed_authentication": "1/m"}, "there is no"),
        ("DASF_USER_RATES", {"publish": "often"}, "write a number and a period"),
        ("DASF_USER_RATES", {"publish": 1000}, "publish is a text"),
        ("DASF_ADDRESS_RATES", "1000/m", "it is a dict"),
        ("DASF_NUM_PROXIES", -1, "less than 0"),
        ("DASF_MAX_SOCKETS_PER_USER", -1, "less than 0"),
    ],
)
def test_mistakes_come_with_a_hint(name: str, value: Any, hint: str, settings: Settings) -> None:
    """The text says what would be right."""
    setattr(settings, name, value)
    with pytest.raises(ImproperlyConfigured, match=hint):
        getattr(app_settings, name)
