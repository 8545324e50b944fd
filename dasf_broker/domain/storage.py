"""The storage rule: which messages are stored, and when a stored message is removed.

========  ======  ==========================================  =====================
policy    stored  removed                                     after an ack
========  ======  ==========================================  =====================
disabled  no      (live only, at most once)                   nothing
cache     yes     first ack by any consumer                   gone
cacheall  yes     when every present consumer has acked       delivered to one more
store     yes     never by an ack                             delivered to one more
========  ======  ==========================================  =====================
"""

from __future__ import annotations

from collections.abc import Hashable
from collections.abc import Set as AbstractSet
from enum import Enum


class StoragePolicy(str, Enum):  # noqa: UP042 - the reference API promises `(str, Enum)`
    """How long the messages of a topic are kept."""

    #: Never stored: delivered to current subscribers, at most once.
    DISABLED = "disabled"
    #: Stored until one consumer acknowledges.
    CACHE = "cache"
    #: Stored until all consumers acknowledged.
    CACHEALL = "cacheall"
    #: Stored for ever.
    STORE = "store"


def effective_policy(
    own: str | None,
    *,
    is_response_topic: bool,
    source_default: StoragePolicy,
    response_default: StoragePolicy,
) -> StoragePolicy:
    """Return the policy that holds for a topic: its own, else the server's for its kind."""
    if own:
        return StoragePolicy(own)
    return response_default if is_response_topic else source_default


def is_stored(policy: StoragePolicy) -> bool:
    """Tell whether a message published under ``policy`` is written to the database."""
    return policy is not StoragePolicy.DISABLED


def is_settled(
    policy: StoragePolicy,
    *,
    delivered_to: AbstractSet[Hashable],
    consumers: AbstractSet[Hashable],
) -> bool:
    """Tell whether a stored message is no longer needed and is to be removed.

    Parameters
    ----------
    policy
        The effective policy of the topic.
    delivered_to
        The users who acknowledged the message so far.
    consumers
        The users who may consume the topic now, superusers not counted (a superuser may
        consume everything, and would otherwise keep every message for ever).
    """
    match policy:
        case StoragePolicy.STORE:
            return False
        case StoragePolicy.CACHEALL:
            # With no consumer at all it stays: a user may get the right later.
            return bool(consumers) and consumers <= delivered_to
        case StoragePolicy.CACHE | StoragePolicy.DISABLED:
            # Rows on a disabled topic are left from an earlier policy; the first ack ends them.
            return bool(delivered_to)
