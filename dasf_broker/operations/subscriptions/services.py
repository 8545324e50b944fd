"""The services of an event loop that subscriptions use."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Mapping
from typing import Protocol, TypeVar

from dasf_broker.concurrency.batching import Batcher
from dasf_broker.concurrency.lookup import Lookup
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
        """Calls a function regularly with all open items."""

    @property
    def consumer_log(self) -> ConsumerLog:
        """When this process last wrote about its consumers."""

    @property
    def arrivals(self) -> Batcher[int, None]:
        """Pings, in batches, topics that consumers of this process have arrived at."""

    @property
    def departures(self) -> Batcher[int, None]:
        """Writes, in batches, that the last consumer of a topic in this process has left."""

    def lookup(
        self, load: Callable[[Collection[Key]], Mapping[Key, Value]], /
    ) -> Lookup[Key, Value]:
        """Return the lookup for a function: it reads once for all concurrent callers."""
