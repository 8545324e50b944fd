"""What browsers may do with our answers: run nothing that is not ours, guess no types."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import Settings

from dasf_broker import database
from dasf_broker.models import BrokerTopic
from tests.doors.test_http import JSON, URL, door, log_in

__all__ = ["door"]

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("django_thread"),
]


@pytest.mark.parametrize("static_url", ["/static/", "https://files.example/static/"])
async def test_page(
    door: httpx.AsyncClient, make_user: Any, settings: Settings, static_url: str
) -> None:
    """The page runs scripts of its own files, reaches its own server, and sits in no frame."""
    settings.STATIC_URL = static_url
    await log_in(door, await _made(make_user))
    response = await door.get(URL, headers={"accept": "text/html"})
    assert response.status_code == 200
    policy = _policy(response.headers["Content-Security-Policy"])
    host = ["https://files.example"] * static_url.startswith("https:")
    assert policy["script-src"] == ["'self'", *host]
    assert policy["connect-src"] == ["'self'", "ws://testserver"]
    for name in ("default-src", "form-action", "frame-ancestors", "base-uri"):
        assert policy[name] == ["'none'"], name
    assert "*" not in response.headers["Content-Security-Policy"]
    assert "'unsafe-eval'" not in response.headers["Content-Security-Policy"]
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert "no-store" in response.headers["Cache-Control"]


@pytest.mark.parametrize("path", ["/topic/status/", "/missing/status/", "/missing/ping/"])
def test_status_pages(path: str, topic: BrokerTopic, settings: Settings, consumer: User) -> None:
    """They are data: a browser loads nothing for them, and takes them for nothing else."""
    settings.MIDDLEWARE = [each for each in settings.MIDDLEWARE if "Security" not in each]
    client = Client()
    client.force_login(consumer, "django.contrib.auth.backends.ModelBackend")
    response = client.get(path)
    assert response["Content-Type"].startswith(JSON)
    assert response["X-Content-Type-Options"] == "nosniff"
    assert _policy(response["Content-Security-Policy"]) == {
        "default-src": ["'none'"],
        "frame-ancestors": ["'none'"],
    }
    assert response["Cache-Control"] == "no-store"


def test_redirect_to_the_status(topic: BrokerTopic, superuser: User) -> None:
    """A ping goes on to a page of ours, whatever the request says."""
    client = Client()
    client.force_login(superuser, "django.contrib.auth.backends.ModelBackend")
    response = client.get("/topic/ping/", {"next": "https://evil.example"})
    assert (response.status_code, response["Location"]) == (302, "/topic/status/")


def _policy(text: str) -> dict[str, list[str]]:
    parts = [part.split() for part in text.split(";")]
    return {name: values for name, *values in parts}


async def _made(make_user: Any) -> User:
    user: User = await database.write(lambda: make_user("staff", is_staff=True))
    return user
