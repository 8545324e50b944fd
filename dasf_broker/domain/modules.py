"""What backend modules that are written with ``demessaging`` need in a message.

They ignore any other message: they neither answer it nor acknowledge it, so that it stays in its
topic, and comes again whenever a module connects.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: The properties that a module looks for.
NEEDED = ("response_topic", "requestContext", "messageType")


def missing_property(properties: Mapping[str, Any]) -> str | None:
    """Return the property for want of which modules ignore a message, if there is one."""
    return next((name for name in NEEDED if not _is_given(name, properties)), None)


def _is_given(name: str, properties: Mapping[str, Any]) -> bool:
    if name == "requestContext":  # a module takes any value, as text
        return str(properties.get(name, "")) != ""
    value = properties.get(name)
    return isinstance(value, str) and value != ""


def warning_about(slug: str, properties: Mapping[str, Any]) -> str | None:
    """Return what a producer should know about a message to the modules of a topic."""
    if (name := missing_property(properties)) is None:
        return None
    return (
        f"The backend modules of topic {slug!r} neither answer nor acknowledge this message, "
        f"because it has no {name!r}: it stays in the topic. Publish a request with a topic for "
        "its answer (`responseTopic`)."
    )
