"""The interface through which models call operations, which they may not import.

The reference API promises methods on models that publish, deliver and ping. They call the object
that ``apps.py`` has set here.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

from dasf_broker.domain.publishing import Published


class Broker(Protocol):
    """The calls that models may make. Topics, messages and users are rows of Django's models."""

    def publish_content(self, user: Any, slug: str, content: Any) -> Published:
        """Publish an envelope in its wire form, as the user."""

    def deliver_again(self, messages: Iterable[Any]) -> None:
        """Send stored messages again to current subscribers."""

    def delete_topics(
        self, topics: Iterable[Any], *, using: str | None = None
    ) -> tuple[int, dict[str, int]]:
        """Delete topics with all that belongs to them; return how many rows were deleted."""

    def ping_topic(self, topic: Any) -> object:
        """Ask the consumers of a topic to answer."""


class BrokerPort:
    """Holds the broker that models call."""

    def __init__(self) -> None:
        self._broker: Broker | None = None

    def connect(self, broker: Broker) -> None:
        """Set the broker that models call from now on."""
        self._broker = broker

    @property
    def broker(self) -> Broker:
        """The broker.

        Raises
        ------
        RuntimeError
            Django has not started the app yet.
        """
        if self._broker is None:
            raise RuntimeError(
                "The broker is not ready: models can publish, deliver and ping once Django has "
                'started the app "dasf_broker". Call django.setup() first; in AppConfig.ready(), '
                'put "dasf_broker" before your app in INSTALLED_APPS.'
            )
        return self._broker


port = BrokerPort()
