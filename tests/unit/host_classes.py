"""Classes of hosts, named by dotted paths in their settings; tests add further ones."""

from __future__ import annotations

from typing import Any

from channels_redis.core import RedisChannelLayer
from guardian.backends import ObjectPermissionBackend


class PatientLayer(RedisChannelLayer):  # type: ignore[misc]
    """A layer that knows by itself how to connect."""

    def __init__(self, **options: Any) -> None:
        super().__init__(
            hosts=[{"address": "redis://localhost", "socket_timeout": None}], **options
        )


class OwnPoolLayer(RedisChannelLayer):  # type: ignore[misc]
    """A layer that makes its own connections."""

    def create_pool(self, index: int) -> Any:
        """Return the pool of a shard, which waits for ever."""
        self.hosts[index] = {"address": "redis://localhost", "socket_timeout": None}
        return super().create_pool(index)


def make_backend() -> ObjectPermissionBackend:
    """Return a backend, as a factory does."""
    return ObjectPermissionBackend()


def fail() -> None:
    """Fail, as backends do whose settings are missing."""
    raise KeyError("LDAP_URL")


NOT_CALLABLE = 1
