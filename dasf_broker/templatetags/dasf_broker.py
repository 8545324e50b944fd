"""Template tags for the pages of hosts: ``{% load dasf_broker %}``."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

from django import template
from django.core.exceptions import ImproperlyConfigured
from django.template import Context
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from django.utils.translation import gettext

from dasf_broker import app_settings
from dasf_broker.domain.envelope import decode_data, decode_text
from dasf_broker.models import BrokerMessage, BrokerTopic, websocket_url

register = template.Library()

#: Most characters of a payload that are shown.
LENGTH = 2000


@register.simple_tag(takes_context=True)
def dasf_ws_url(context: Context, topic: BrokerTopic | str) -> str:
    """Return the absolute URL of a topic's DASF websocket.

    Parameters
    ----------
    topic
        A topic, or its slug.

    Raises
    ------
    ImproperlyConfigured
        The template's context has no ``request``, and ``ROOT_URL`` is not set.
    """
    slug = topic.slug if isinstance(topic, BrokerTopic) else str(topic)
    if (request := context.get("request")) is not None:
        return BrokerTopic.build_websocket_url(request, slug)
    if app_settings.ROOT_URL is None:
        raise ImproperlyConfigured(
            "dasf_ws_url needs `request` in the context of the template, or the setting ROOT_URL."
        )
    return websocket_url("", slug)


@register.filter
def payload(message: BrokerMessage | Any, length: int = LENGTH) -> str:
    """Return the body of a message as indented JSON or as text, cut after ``length`` characters.

    The template escapes it as any other text. Other bodies are only described.
    """
    encoded = message.content.get("payload") or ""
    data, text = decode_data(encoded), decode_text(encoded)
    if data is not None:
        with suppress(RecursionError):  # nested too deeply: shown as text
            text = json.dumps(data, ensure_ascii=False, indent=2)
    if text is None:
        size = len(encoded) * 3 // 4 - encoded.count("=")
        return gettext("(%(size)s bytes, not text)") % {"size": size}
    # JSON may contain a lone surrogate, which a page cannot: shown as its escape sequence.
    text = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return Truncator(text).chars(int(length))


@register.filter
def payload_pre(message: BrokerMessage | Any, length: int = LENGTH) -> SafeString:
    """Return the same in a ``<pre>``, escaped."""
    return format_html('<pre class="dasf-payload">{}</pre>', payload(message, length))
