"""The fields of a topic that are the same for every viewer."""

from __future__ import annotations

from datetime import datetime

import strawberry
from strawberry.scalars import JSON

from dasf_broker import models
from dasf_broker.domain.storage import StoragePolicy
from dasf_broker.schema.execution.context import Info
from dasf_broker.schema.execution.sharing import shared
from dasf_broker.schema.types.availability import Availability


@strawberry.type
class TopicFields:
    """The fields that all topics inherit; it is not a type in the schema."""

    row: strawberry.Private[models.BrokerTopic]

    @shared("The name of the topic, with which you publish and subscribe.")
    def slug(self) -> str:
        return self.row.slug

    @shared("Whether every caller may see the topic, publish to it and ping it.")
    def is_public(self) -> bool:
        return self.row.is_public

    @shared("Whether the consumers of the topic answer pings.")
    def supports_dasf(self) -> bool:
        return self.row.supports_dasf

    @shared("How long messages are kept; null: the server's setting applies.")
    def store_messages(self) -> StoragePolicy | None:
        return StoragePolicy(self.row.store_messages) if self.row.store_messages else None

    @shared("How long messages are kept, by the topic's own policy or the server's setting.")
    def effective_store_messages(self) -> StoragePolicy:
        return self.row.storage_policy

    @shared("Seconds after which a message is removed, acknowledged or not; null: no limit.")
    def retention_age(self) -> int | None:
        return self.row.retention_age

    @shared(
        "How many messages are kept: older ones are removed, acknowledged or not; null: no limit."
    )
    def retention_count(self) -> int | None:
        return self.row.retention_count

    @shared("When the topic was created.")
    def date_created(self) -> datetime:
        return self.row.date_created

    @shared("When the topic is removed if it is not used again; null: never.")
    def garbage_collect_on(self) -> datetime | None:
        return self.row.garbage_collect_on

    @shared("The API description of the backend module that consumes the topic.")
    async def api_info(self, info: Info) -> JSON | None:
        described: JSON | None = await info.context.api_infos.load(self.row.pk)
        return described

    @shared("Whether the topic is for answers to the requests of another topic.")
    def is_response_topic(self) -> bool:
        return self.row.is_response_topic

    @shared("Whether the consumers of the topic answer pings.")
    def availability(self) -> Availability:
        return Availability.of(self.row)
