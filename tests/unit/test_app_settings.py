"""The settings: their defaults, read live, and refused where they cannot be used."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from pytest_django import Settings

from dasf_broker import app_settings
from dasf_broker.app_settings import DEFAULTS, StoreMessageOptions


@pytest.mark.parametrize(
    ("name", "default"),
    [
        ("DASF_CREATE_TOPIC_ON_MESSAGE", True),
        ("DASF_STORE_MESSAGES", StoreMessageOptions.CACHE),
        ("DASF_STORE_RESPONSE_MESSAGES", StoreMessageOptions.CACHE),
        ("DASF_STORE_SOURCE_MESSAGES", StoreMessageOptions.CACHE),
        ("DASF_WEBSOCKET_URL_ROUTE", "ws/"),
        ("ROOT_URL", None),
    ],
)
def test_defaults_of_the_reference_api(name: str, default: Any) -> None:
    """Nobody has to set anything."""
    assert getattr(app_settings, name) == default


@pytest.mark.parametrize("name", list(DEFAULTS))
def test_every_default_can_be_read_and_is_explained(name: str, settings: Settings) -> None:
    """A default passes its own check, and the table says what it means."""
    setattr(settings, name, None)
    value = getattr(app_settings, name)
    setting = DEFAULTS[name]
    assert value is None or setting.read(value) == value
    assert setting.meaning.endswith(".")
    assert name in dir(app_settings)


def test_settings_are_read_live(settings: Settings) -> None:
    """A value that changes counts at once."""
    settings.DASF_PAGE_SIZE = 7
    assert app_settings.DASF_PAGE_SIZE == 7
    settings.DASF_PAGE_SIZE = "8"
    assert app_settings.DASF_PAGE_SIZE == 8


@pytest.mark.parametrize("name", ["DASF_STORE_RESPONSE_MESSAGES", "DASF_STORE_SOURCE_MESSAGES"])
def test_special_storage_rules_fall_back(name: str, settings: Settings) -> None:
    """Without a value of its own each follows ``DASF_STORE_MESSAGES``."""
    settings.DASF_STORE_MESSAGES = "store"
    assert getattr(app_settings, name) is StoreMessageOptions.STORE
    setattr(settings, name, "disabled")
    assert getattr(app_settings, name) is StoreMessageOptions.DISABLED
    assert app_settings.DASF_STORE_MESSAGES is StoreMessageOptions.STORE


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DASF_STORE_MESSAGES", "sometimes"),
        ("DASF_STORE_RESPONSE_MESSAGES", "CACHE"),
        ("DASF_STORE_SOURCE_MESSAGES", 1),
        ("DASF_MAX_MESSAGE_SIZE", "big"),
        ("DASF_MAX_MESSAGE_SIZE", []),
        ("DASF_PAGE_SIZE", 0),
        ("DASF_PAGE_SIZE", -1),
        ("DASF_LOOK_INTERVAL", "soon"),
        ("DASF_LOOK_INTERVAL", 0.0),
        ("DASF_ALLOWED_ORIGINS", 5),
        ("DASF_MAX_QUERY_ALIASES", -1),
        ("DASF_INTROSPECTION", "friends"),
        ("DASF_GRAPHIQL", True),
    ],
)
def test_wrong_values_are_told_with_their_name(name: str, value: Any, settings: Settings) -> None:
    """The error says which setting is wrong, and what it holds."""
    setattr(settings, name, value)
    with pytest.raises(ImproperlyConfigured, match=name) as caught:
        getattr(app_settings, name)
    assert repr(value) in str(caught.value)


def test_unknown_names_are_no_settings() -> None:
    """A misspelt setting is an error of the program."""
    with pytest.raises(AttributeError, match="DASF_STORE_MESAGES"):
        app_settings.DASF_STORE_MESAGES  # noqa: B018
