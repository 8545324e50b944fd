"""The rights of the viewer on a topic in the API."""

from __future__ import annotations

import strawberry

from dasf_broker.permissions import TopicRights


@strawberry.type(description="Your rights on a topic.")
class TopicPermissions:
    can_produce: bool = strawberry.field(description="Whether you may publish messages.")
    can_consume: bool = strawberry.field(
        description="Whether you may read and acknowledge messages."
    )
    can_view_status: bool = strawberry.field(
        description="Whether you may see if the topic is online."
    )
    can_ping: bool = strawberry.field(description="Whether you may ping the topic.")
    can_pong: bool = strawberry.field(description="Whether you may answer pings.")
    can_change: bool = strawberry.field(
        description="Whether you may change the topic and grant rights on it."
    )
    can_delete: bool = strawberry.field(description="Whether you may delete the topic.")

    @classmethod
    def of(cls, rights: TopicRights) -> TopicPermissions:
        """Return rights as the API shows them."""
        return cls(
            can_produce=rights.may_produce,
            can_consume=rights.may_consume,
            can_view_status=rights.is_visible,
            can_ping=rights.may_ping,
            can_pong=rights.may_pong,
            can_change=rights.may_change,
            can_delete=rights.may_delete,
        )
