"""The availability of a topic in the API."""

from __future__ import annotations

from datetime import datetime

import strawberry

from dasf_broker import models
from dasf_broker.schema.enums import AvailabilityStatus


@strawberry.type(description="Whether the consumers of a topic answer pings.")
class Availability:
    status: AvailabilityStatus = strawberry.field(description="The availability of the topic.")
    is_online: bool | None = strawberry.field(
        description="The same as true or false; null if it is not known."
    )
    last_ping: datetime | None = strawberry.field(description="When the topic was last pinged.")
    last_pong: datetime | None = strawberry.field(description="When a consumer last answered.")
    round_trip_time: float | None = strawberry.field(
        description="Seconds from the last answered ping to its first answer."
    )

    @classmethod
    def of(cls, topic: models.BrokerTopic) -> Availability:
        """Return the availability of a topic's row."""
        online = topic.availability
        return cls(
            status=AvailabilityStatus.of(online),
            is_online=online,
            last_ping=topic.last_ping,
            last_pong=topic.last_pong,
            round_trip_time=topic.round_trip_time,
        )
