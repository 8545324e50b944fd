"""What subscriptions need of the event loop that they live in."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Mapping
from typing import Protocol, TypeVar

from dasf_broker.concurrency.batching import Batcher, Lookup
from dasf_broker.concurrency.sweeper import Sweeper
from dasf_broker.operations.subscriptions.consumer_log import ConsumerLog
from dasf_broker.realtime.hub import Hub

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class Services(Protocol):
    """The part of :class:`dasf_broker.runtime.Runtime` that subscriptions use."""

    @property
    def hub(self) -> Hub:
        """The one reader of the channel layer.

        Raises
        ------
        UnavailableError
            No channel layer is configured.
        """

    @property
    def sweeper(self) -> Sweeper:
        """Looks regularly at what is open."""

    @property
    def consumer_log(self) -> ConsumerLog:
        """What was written down lately of consumers."""

    @property
    def departures(self) -> Batcher[int, None]:
        """Notes the topics whose last consumer here has gone, many at once."""

    def lookup(
        self, load: Callable[[Collection[Key]], Mapping[Key, Value]], /
    ) -> Lookup[Key, Value]:
        """Return the lookup that reads with a function, once for all concurrent callers."""
