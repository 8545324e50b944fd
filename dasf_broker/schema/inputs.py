"""The input types of the API, and how they become arguments of operations."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Literal, cast
from uuid import UUID

import strawberry
from strawberry.scalars import JSON
from strawberry.schema.name_converter import NameConverter
from strawberry.types.arguments import InputContext

from dasf_broker import app_settings
from dasf_broker.domain.envelope import Envelope, MessageType
from dasf_broker.domain.slugs import check_slug
from dasf_broker.domain.storage import StoragePolicy
from dasf_broker.exceptions import BadInputError
from dasf_broker.operations.caller import Caller
from dasf_broker.operations.publications import Publication
from dasf_broker.operations.topics import TopicOptions
from dasf_broker.schema.types.connections import given


@strawberry.input(description="A message to publish. Give at most one of data, text and payload.")
class PublishMessageInput:
    topic: str = strawberry.field(description="The slug of the topic.")
    message_id: UUID | None = strawberry.field(
        default=strawberry.UNSET,
        description="The id of the message. After a failure send the same id and body again: the "
        "message is published once.",
    )
    data: JSON | None = strawberry.field(default=strawberry.UNSET, description="The body as JSON.")
    text: str | None = strawberry.field(default=strawberry.UNSET, description="The body as text.")
    payload: str | None = strawberry.field(
        default=strawberry.UNSET, description="The body in base64."
    )
    properties: JSON | None = strawberry.field(
        default=strawberry.UNSET,
        description="Further information about the message: a JSON object.",
    )
    message_type: MessageType = strawberry.field(
        default=MessageType.REQUEST, description="The type of the message."
    )
    response_topic: str | None = strawberry.field(
        default=strawberry.UNSET,
        description="The topic for answers. If it does not exist, it is created for you alone. The "
        "name of a new one begins with the name of the topic: `weather_kWzPqXbT`.",
    )
    context: int | None = strawberry.field(
        default=strawberry.UNSET, description="A number that you choose to recognise the answers."
    )

    def publication(self, caller: Caller) -> Publication:
        """Return the message as the argument of the operation.

        Raises
        ------
        BadInputError, PayloadTooLargeError
            A field is wrong, or the message is too large.
        """
        check_slug(self.topic)
        envelope = Envelope.compose(
            max_size=app_settings.DASF_MAX_MESSAGE_SIZE,
            message_id=given(self.message_id),
            data=given(self.data),
            text=given(self.text),
            payload=given(self.payload),
            properties=given(self.properties),
            message_type=self.message_type,
            response_topic=given(self.response_topic),
            context=given(self.context),
        )
        return Publication(caller, self.topic, envelope)


def _from_input(
    kind: type[PublishMessageInput], value: Mapping[str, Any], context: InputContext
) -> PublishMessageInput:
    # All fields are scalars, which need no conversion: their types are not examined.
    names = _names(cast("Any", kind), context.config.name_converter)
    return kind(**{names[name]: each for name, each in value.items()})


@lru_cache
def _names(kind: Any, converter: NameConverter) -> dict[str, str]:
    fields = kind.__strawberry_definition__.fields
    return {converter.from_field(each): each.python_name for each in fields}


PublishMessageInput.__strawberry_definition__.from_input = _from_input  # type: ignore[attr-defined]


@strawberry.input(description="A topic to create.")
class CreateTopicInput:
    slug: str = strawberry.field(
        description="The name: 1 to 128 letters, digits, hyphens and underscores."
    )
    is_public: bool = strawberry.field(
        default=False, description="Every caller may see the topic, publish to it and ping it."
    )
    supports_dasf: bool = strawberry.field(
        default=True,
        description="The consumers of the topic answer pings, so that its availability is known.",
    )
    store_messages: StoragePolicy | None = strawberry.field(
        default=strawberry.UNSET,
        description="How long to keep messages; null: the server's setting applies.",
    )
    retention_age: int | None = strawberry.field(
        default=strawberry.UNSET,
        description="Seconds after which a message is removed, acknowledged or not; null: "
        "no limit.",
    )
    retention_count: int | None = strawberry.field(
        default=strawberry.UNSET,
        description="How many messages to keep: older ones are removed, acknowledged or not; "
        "null: no limit.",
    )

    def options(self) -> TopicOptions:
        """Return the options of the operation, which checks their limits."""
        return TopicOptions(
            is_public=self.is_public,
            supports_dasf=self.supports_dasf,
            store_messages=given(self.store_messages),
            retention_age=given(self.retention_age),
            retention_count=given(self.retention_count),
        )


@strawberry.input(description="Changes to a topic. Fields that you leave out do not change.")
class UpdateTopicInput:
    topic: str = strawberry.field(description="The slug of the topic.")
    is_public: bool | None = strawberry.field(
        default=strawberry.UNSET,
        description="Every caller may see the topic, publish to it and ping it.",
    )
    supports_dasf: bool | None = strawberry.field(
        default=strawberry.UNSET, description="The consumers of the topic answer pings."
    )
    store_messages: StoragePolicy | None = strawberry.field(
        default=strawberry.UNSET,
        description="How long to keep messages; null: the server's setting applies.",
    )
    retention_age: int | None = strawberry.field(
        default=strawberry.UNSET,
        description="Seconds after which a message is removed, acknowledged or not; null: "
        "no limit.",
    )
    retention_count: int | None = strawberry.field(
        default=strawberry.UNSET,
        description="How many messages to keep: older ones are removed, acknowledged or not; "
        "null: no limit.",
    )

    def options(self) -> TopicOptions:
        """Return the options of the operation.

        Raises
        ------
        BadInputError
            A boolean is null.
        """
        for name, value in (("isPublic", self.is_public), ("supportsDasf", self.supports_dasf)):
            if value is None:
                raise BadInputError(f"{name} is true or false, not null.", field=name)
        return TopicOptions(
            is_public=given(self.is_public),
            supports_dasf=given(self.supports_dasf),
            store_messages=_policy(self.store_messages),
            retention_age=_limit(self.retention_age),
            retention_count=_limit(self.retention_count),
        )


def _policy(value: object) -> StoragePolicy | str | None:
    if value is strawberry.UNSET:
        return None
    return "" if value is None else StoragePolicy(value)


def _limit(value: int | None) -> int | Literal[""] | None:
    if value is strawberry.UNSET:
        return None
    return "" if value is None else value
