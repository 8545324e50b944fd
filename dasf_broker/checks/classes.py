"""System checks of what settings name by dotted paths: backends, channel layers, caches.

``dasf_broker.E002`` guardian's backend is missing, or a backend cannot be made · ``E003`` no
channel layer, or none that can be made · ``E004`` Redis connections that end after some idle
seconds · ``W001`` an in-memory channel layer outside of DEBUG · ``E006`` rate limits without the
cache that counts · ``W004`` a cache that cannot count for several processes.

What is named is made, and asked of which class it is: hosts have classes of their own below those
of others.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from channels import DEFAULT_CHANNEL_LAYER
from channels.layers import InMemoryChannelLayer, channel_layers
from django.conf import settings
from django.contrib.auth import load_backend
from django.core.cache import caches
from django.core.cache.backends import db, dummy, filebased, locmem
from django.core.checks import CheckMessage, Error, Tags, Warning, register  # noqa: A004
from guardian.backends import ObjectPermissionBackend

from dasf_broker import test_mode

#: They count for one process only, not at all, or in two steps.
_LONELY_CACHES = (locmem.LocMemCache, dummy.DummyCache, db.DatabaseCache, filebased.FileBasedCache)


@register(Tags.compatibility)
def check_classes(**_: Any) -> list[CheckMessage]:
    """Check the backends, the channel layer, and the cache of rate limits."""
    return [*_guardian(), *_channel_layer(), *_rates()]


def _guardian() -> Iterator[CheckMessage]:
    made = [_make(load_backend, path) for path in settings.AUTHENTICATION_BACKENDS]
    faults = [each for each in made if isinstance(each, _Fault)]
    yield from (each.message("AUTHENTICATION_BACKENDS", "E002") for each in faults)
    if not faults and not any(isinstance(each, ObjectPermissionBackend) for each in made):
        yield Error(
            "Rights on single topics are not seen by Django.",
            hint="Add 'guardian.backends.ObjectPermissionBackend', or a subclass of it, to "
            "AUTHENTICATION_BACKENDS.",
            id="dasf_broker.E002",
        )


def _channel_layer() -> Iterator[CheckMessage]:
    if not getattr(settings, "CHANNEL_LAYERS", {}).get(DEFAULT_CHANNEL_LAYER):
        yield Error(
            "There is no channel layer: subscribers would receive nothing.",
            hint="Set CHANNEL_LAYERS; InMemoryChannelLayer will do for one process.",
            id="dasf_broker.E003",
        )
        return
    layer = _make(channel_layers.make_backend, DEFAULT_CHANNEL_LAYER)
    if isinstance(layer, _Fault):
        yield layer.message("CHANNEL_LAYERS", "E003")
    if isinstance(layer, InMemoryChannelLayer) and _is_in_production():
        yield Warning(
            "The in-memory channel layer does not reach other processes: subscribers there "
            "receive messages only when their process polls the database.",
            hint="Use channels_redis if there is more than one server process.",
            id="dasf_broker.W001",
        )
    if _ends_when_idle(layer):
        yield Error(
            "The connections of the channel layer to Redis end after some idle seconds, by default "
            "of redis-py 8 after 5.",
            hint='Set "hosts": [{"address": ..., "socket_timeout": None}].',
            id="dasf_broker.E004",
        )


def _rates() -> Iterator[CheckMessage]:
    alias = str(getattr(settings, "DASF_RATE_CACHE", None) or "default")
    if alias not in settings.CACHES:
        yield Error(
            f"There is no cache {alias!r} that could count for rates.",
            hint=f"DASF_RATE_CACHE is one of CACHES: {', '.join(settings.CACHES)}.",
            id="dasf_broker.E006",
        )
        return
    cache = _make(caches.create_connection, alias)
    if isinstance(cache, _Fault):
        yield cache.message("CACHES", "E006")
    are_set = any(getattr(settings, f"DASF_{whose}_RATES", None) for whose in ("USER", "ADDRESS"))
    if are_set and isinstance(cache, _LONELY_CACHES) and _is_in_production():
        yield Warning(
            f"The cache {alias!r} does not count for several processes: the rates are those of "
            "one process, or less exact.",
            hint="Use Redis or Memcached where there is more than one server process.",
            id="dasf_broker.W004",
        )


def _is_in_production() -> bool:
    """Tell whether there may be several processes: Django's tests run without DEBUG, too."""
    return not settings.DEBUG and not test_mode.are_running()


@dataclass(frozen=True, slots=True)
class _Fault:
    """Why what a host names in its settings cannot be made."""

    name: Any
    error: Exception

    def message(self, setting: str, code: str) -> CheckMessage:
        """Return the message of a check."""
        kind = type(self.error).__name__
        return Error(
            f"{setting}: {self.name!r} cannot be used: {kind}: {self.error}",
            hint="Correct the dotted path and its options, and install what it needs.",
            id=f"dasf_broker.{code}",
        )


def _make(make: Callable[[Any], Any], name: Any) -> Any:
    try:
        return make(name)
    except Exception as error:  # noqa: BLE001 - modules of hosts raise what they like
        return _Fault(name, error)


def _ends_when_idle(layer: Any) -> bool:
    """Tell whether a layer's connections to Redis end while they wait for the next message."""
    redis = sys.modules.get("channels_redis.core")
    if redis is None or not isinstance(layer, redis.RedisChannelLayer):
        return False
    # No connection is opened: it only says how it would wait.
    waiting = [
        _make(lambda host: layer.create_pool(host).make_connection(), host)
        for host in range(layer.ring_size)
    ]
    return any(getattr(each, "socket_timeout", None) for each in waiting)
