"""The template tags for pages of hosts, and the URLs of websockets behind a proxy."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest
from django.template import Context, Template
from django.test import RequestFactory
from pytest_django import Settings

from dasf_broker.domain.envelope import encode_payload
from dasf_broker.models import BrokerMessage, BrokerTopic


@pytest.mark.parametrize(
    ("values", "headers", "expected"),
    [
        ({}, {}, "ws://testserver/ws/weather"),
        ({"ROOT_URL": "https://broker.example"}, {}, "wss://broker.example/ws/weather"),
        # The proxy speaks TLS, and says so.
        ({}, {"x-forwarded-proto": "https"}, "ws://testserver/ws/weather"),
        (
            {"SECURE_PROXY_SSL_HEADER": ("HTTP_X_FORWARDED_PROTO", "https")},
            {"x-forwarded-proto": "https"},
            "wss://testserver/ws/weather",
        ),
        (
            {"USE_X_FORWARDED_HOST": True},
            {"x-forwarded-host": "broker.example"},
            "ws://broker.example/ws/weather",
        ),
        # The site hangs below a path.
        ({"FORCE_SCRIPT_NAME": "/site"}, {}, "ws://testserver/site/ws/weather"),
        ({"FORCE_SCRIPT_NAME": "/site/"}, {}, "ws://testserver/site/ws/weather"),
        (
            {"FORCE_SCRIPT_NAME": "/site", "ROOT_URL": "https://broker.example"},
            {},
            "wss://broker.example/site/ws/weather",
        ),
        (
            {"FORCE_SCRIPT_NAME": "/site", "ROOT_URL": "https://broker.example/site/"},
            {},
            "wss://broker.example/site/ws/weather",
        ),
        ({"FORCE_SCRIPT_NAME": "/a", "ROOT_URL": "http://a"}, {}, "ws://a/a/ws/weather"),
    ],
)
def test_websocket_url_behind_a_proxy(
    values: dict[str, Any], headers: dict[str, str], expected: str, settings: Settings
) -> None:
    """Settings and the proxy's headers decide, as for any other URL of the site."""
    settings.ALLOWED_HOSTS = ["*"]
    for name, value in values.items():
        setattr(settings, name, value)
    request = RequestFactory().get("/", headers={"host": "testserver", **headers})
    assert BrokerTopic.build_websocket_url(request, "weather") == expected
    assert _ws_url({"request": request, "topic": "weather"}) == expected


def test_websocket_url_below_a_path_that_the_server_tells() -> None:
    """Without a setting, as WSGI's ``SCRIPT_NAME`` or ASGI's ``root_path``."""
    request = RequestFactory().get("/", SCRIPT_NAME="/site")
    assert BrokerTopic.build_websocket_url(request) == "ws://testserver/site/ws/"


def test_websocket_url_of_a_topic() -> None:
    """A topic is as good as its slug."""
    topic = BrokerTopic(slug="weather")
    assert (
        _ws_url({"request": RequestFactory().get("/"), "topic": topic})
        == "ws://testserver/ws/weather"
    )


def test_websocket_url_without_a_request(settings: Settings) -> None:
    """The setting helps; without it the error says what is missing."""
    with pytest.raises(ImproperlyConfigured, match="ROOT_URL"):
        _ws_url({"topic": "weather"})
    settings.ROOT_URL = "https://broker.example/"
    assert _ws_url({"topic": "weather"}) == "wss://broker.example/ws/weather"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"a":[1,"\xc3\xa4"]}', '{\n  "a": [\n    1,\n    "ä"\n  ]\n}'),
        (b"plain text", "plain text"),
        (b"", ""),
        (b"null", "null"),
        (b"\xff\x00\x01", "(3 bytes, not text)"),
        (b'"\\ud800"', '"\\ud800"'),
        (b"[" * 5000 + b"]" * 5000, "[" * 1999 + "…"),
    ],
)
def test_payload(body: bytes, expected: str) -> None:
    """JSON in lines, or text, or a description of what is neither."""
    message = BrokerMessage(content={"payload": encode_payload(body)})
    assert _render("{% autoescape off %}{{ m|payload }}{% endautoescape %}", message) == expected


@pytest.mark.parametrize("content", [{}, {"payload": None}])
def test_payload_of_an_envelope_without_one(content: dict[str, Any]) -> None:
    """There is nothing to show."""
    assert _render("{{ m|payload }}", BrokerMessage(content=content)) == ""


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{{ m|payload }}", "&lt;b&gt;&amp;"),
        ("{{ m|payload_pre }}", '<pre class="dasf-payload">&lt;b&gt;&amp;</pre>'),
        ("{{ m|payload:2 }}", "&lt;…"),
        ("{{ m|payload_pre:'2' }}", '<pre class="dasf-payload">&lt;…</pre>'),
    ],
)
def test_payload_is_escaped_and_cut(template: str, expected: str) -> None:
    """What others published never becomes markup."""
    message = BrokerMessage(content={"payload": encode_payload(b"<b>&")})
    assert _render(template, message) == expected


def _render(template: str, message: BrokerMessage) -> str:
    rendered: str = Template("{% load dasf_broker %}" + template).render(Context({"m": message}))
    return rendered


def _ws_url(context: dict[str, HttpRequest | BrokerTopic | str]) -> str:
    template = Template("{% load dasf_broker %}{% dasf_ws_url topic %}")
    rendered: str = template.render(Context(context))
    return rendered
