"""A message broker for Django projects whose API is GraphQL.

What host projects call is imported from here, and described in :mod:`dasf_broker.api`. It is
loaded when it is used first, so that this package can be imported before Django is ready.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from dasf_broker.version import __version__ as __version__  # for type checkers: it is exported

if TYPE_CHECKING:
    from dasf_broker.api import (
        Acknowledged,
        AcknowledgeStatus,
        BrokerError,
        MessageParts,
        MessageType,
        NewMessage,
        Pinged,
        Published,
        PublishStatus,
        ReceivedMessage,
        StartPosition,
        StoragePolicy,
        Stream,
        aacknowledge,
        acknowledge,
        acreate_topic,
        aping,
        apublish,
        apublish_many,
        create_topic,
        detach_user,
        ping,
        publish,
        publish_many,
        subscribe,
    )

__all__ = [
    "AcknowledgeStatus",
    "Acknowledged",
    "BrokerError",
    "MessageParts",
    "MessageType",
    "NewMessage",
    "Pinged",
    "PublishStatus",
    "Published",
    "ReceivedMessage",
    "StartPosition",
    "StoragePolicy",
    "Stream",
    "aacknowledge",
    "acknowledge",
    "acreate_topic",
    "aping",
    "apublish",
    "apublish_many",
    "create_topic",
    "detach_user",
    "ping",
    "publish",
    "publish_many",
    "subscribe",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"{__name__}.api"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
