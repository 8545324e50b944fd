"""What a topic's row says by itself, whoever asks."""

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
class TopicFacts:
    """The plain fields of all topics; no type of the API by itself."""

    row: strawberry.Private[models.BrokerTopic]

    @shared("The topic's name, by which you publish and subscribe.")
    def slug(self) -> str:
        return self.row.slug

    @shared("Whether everybody may see the topic, publish to it and ping it.")
    def is_public(self) -> bool:
        return self.row.is_public

    @shared("Whether the consumers of the topic answer pings.")
    def supports_dasf(self) -> bool:
        return self.row.supports_dasf

    @shared("How long messages are kept; null: as the server's settings say.")
    def store_messages(self) -> StoragePolicy | None:
        return StoragePolicy(self.row.store_messages) if self.row.store_messages else None

    @shared("How long messages are kept: what holds, by the topic's own rule or the server's.")
    def effective_store_messages(self) -> StoragePolicy:
        return self.row.storage_policy

    @shared(
        "Seconds after which a message is removed, also if nobody acknowledged it; null: no limit."
    )
    def retention_age(self) -> int | None:
        return self.row.retention_age

    @shared(
        "How many messages are kept: older ones are removed, also if nobody acknowledged them; "
        "null: no limit."
    )
    def retention_count(self) -> int | None:
        return self.row.retention_count

    @shared("When the topic was created.")
    def date_created(self) -> datetime:
        return self.row.date_created

    @shared("When the topic is removed unless somebody uses it again; null: it stays.")
    def garbage_collect_on(self) -> datetime | None:
        return self.row.garbage_collect_on

    @shared("How the backend module behind the topic describes its functions.")
    async def api_info(self, info: Info) -> JSON | None:
        described: JSON | None = await info.context.api_infos.load(self.row.pk)
        return described

    @shared("Whether the topic carries answers to the requests of another one.")
    def is_response_topic(self) -> bool:
        return self.row.is_response_topic

    @shared("Whether the consumers of the topic answer pings.")
    def availability(self) -> Availability:
        return Availability.of(self.row)
