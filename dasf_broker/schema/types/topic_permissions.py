"""What the viewer may do with a topic, as the API shows it."""

from __future__ import annotations

import strawberry

from dasf_broker.permissions import TopicRights


@strawberry.type(description="What you may do with a topic.")
class TopicPermissions:
    can_produce: bool = strawberry.field(description="Publish messages.")
    can_consume: bool = strawberry.field(description="Read and acknowledge messages.")
    can_view_status: bool = strawberry.field(description="See whether the topic is online.")
    can_ping: bool = strawberry.field(description="Ask the consumers to answer.")
    can_pong: bool = strawberry.field(description="Answer pings.")
    can_change: bool = strawberry.field(description="Change the topic and hand out rights.")
    can_delete: bool = strawberry.field(description="Delete the topic.")

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
