"""The rights, and what they allow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Right(StrEnum):
    """The rights that can be held on a topic, by codename."""

    PRODUCE = "can_produce"
    CONSUME = "can_consume"
    VIEW_STATUS = "can_view_status"
    VIEW = "view_brokertopic"
    CHANGE = "change_brokertopic"
    DELETE = "delete_brokertopic"
    ADD = "add_brokertopic"


#: The rights of the creator of a topic on it. Not CONSUME: under ``cacheall`` messages are kept
#: until every consumer acknowledges, and a creator is seldom a consumer.
CREATOR_RIGHTS = (Right.PRODUCE, Right.VIEW_STATUS, Right.CHANGE, Right.DELETE)

#: Any of these makes a topic visible.
SEEING = frozenset(Right) - {Right.ADD}


@dataclass(frozen=True, slots=True)
class TopicRights:
    """What one user may do with one topic."""

    held: frozenset[str]
    is_public: bool
    is_superuser: bool = False

    def has(self, right: Right) -> bool:
        """Tell whether the user holds the right, on this topic or on all."""
        return self.is_superuser or right in self.held

    @property
    def is_visible(self) -> bool:
        """Whether the user may know that the topic exists, and its status."""
        return self.is_superuser or self.is_public or not self.held.isdisjoint(SEEING)

    @property
    def may_produce(self) -> bool:
        """Whether the user may publish messages."""
        return self.is_public or self.has(Right.PRODUCE)

    @property
    def may_consume(self) -> bool:
        """Whether the user may read and acknowledge messages."""
        return self.has(Right.CONSUME)

    @property
    def may_ping(self) -> bool:
        """Whether the user may ask the consumers to answer."""
        return self.may_produce

    @property
    def may_pong(self) -> bool:
        """Whether the user may answer pings: consumers may."""
        return self.may_consume

    @property
    def may_change(self) -> bool:
        """Whether the user may change the topic and the rights on it."""
        return self.has(Right.CHANGE)

    @property
    def may_delete(self) -> bool:
        """Whether the user may delete the topic."""
        return self.has(Right.DELETE)


#: Rights by primary keys of user and topic.
RightsTable = Mapping[tuple[Any, int], TopicRights]
