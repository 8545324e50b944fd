"""Messages in the API."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from datetime import datetime
from functools import cached_property
from typing import Annotated, Any, Self
from uuid import UUID

import strawberry
from strawberry import relay
from strawberry.scalars import JSON

from dasf_broker import database
from dasf_broker.domain.envelope import MessageType, check_uuid
from dasf_broker.domain.events import MessagePublished
from dasf_broker.exceptions import BrokerError
from dasf_broker.operations.access import access_by_id
from dasf_broker.operations.lists.browse import find_message_in
from dasf_broker.schema.execution.context import Deliveries, Info
from dasf_broker.schema.execution.sharing import shared
from dasf_broker.schema.types.connections import Connection
from dasf_broker.schema.types.nodes import primary_key
from dasf_broker.schema.types.users import User, load_user, load_users

LazyTopic = Annotated["Topic", strawberry.lazy("dasf_broker.schema.types.topics")]  # type: ignore[name-defined]  # noqa: F821


@strawberry.type(description="A message that was published to a topic.")
class Message(relay.Node):
    """A message, read from the database or received from the channel layer."""

    event: strawberry.Private[MessagePublished]
    #: The delivery's results by operation, which subscribers of the same event share.
    memo: strawberry.Private[dict[Any, Any]] = dataclasses.field(default_factory=dict)
    missed: int = strawberry.field(
        default=0,
        description="In a subscription: how many messages directly before this one were lost "
        "because you read too slowly. Always 0 if the topic stores messages.",
    )

    @classmethod
    def of(cls, event: MessagePublished) -> Message:
        """Return a published message as the API shows it."""
        return cls(event=event)

    def to_render(self) -> Message:
        """Return a copy, which is dropped together with what was decoded of it."""
        return Message(event=self.event, missed=self.missed, memo=self.memo)

    @classmethod
    def resolve_id(cls, root: Self, *, info: Info) -> str:  # noqa: ARG003
        """Return topic and message id, which unstored messages have, too."""
        return f"{root.event.topic_id}:{root.event.message_id}"

    @classmethod
    async def resolve_node(  # type: ignore[override]
        cls, node_id: str, *, info: Info, required: bool = False
    ) -> Message | None:
        """Return the stored message with this id, if the caller may read it."""
        topic, _, message_id = node_id.partition(":")
        topic_id, wanted = primary_key(topic), check_uuid(message_id, field="id")

        def load() -> MessagePublished | None:
            return find_message_in(access_by_id(info.context.caller, topic_id), wanted)

        try:
            event = await database.read(load)
        except BrokerError:
            if required:
                raise
            return None
        return None if event is None else cls.of(event)

    @classmethod
    def resolve_nodes(cls, *, info: Info, node_ids: Iterable[str], required: bool = False) -> Any:
        """Return the stored messages with these ids."""
        return [cls.resolve_node(each, info=info, required=required) for each in node_ids]

    @shared("The id of the message, chosen by the producer or by the broker.")
    def message_id(self) -> UUID:
        return self.event.message_id

    @shared("The topic that the message was published to.")
    async def topic(self, info: Info) -> LazyTopic:
        from dasf_broker.schema.types.topics import load_topic

        return await load_topic(info, self.event.topic_id)

    @shared("The type of the message.")
    def message_type(self) -> MessageType:
        return self.event.message_type

    @shared("Further information by the producer, for backend modules.")
    def properties(self) -> JSON:
        return self.event.properties  # type: ignore[return-value]

    @shared("The body in base64.")
    def payload(self) -> str:
        return self.event.payload

    @shared(
        "The body as JSON; null if it is not JSON that every parser reads: with a number beyond 64 "
        "bits of floating point, a NUL character, half a surrogate pair, or 100,000 values."
    )
    def data(self) -> JSON | None:
        return self._data  # type: ignore[no-any-return]

    @shared("The body as text; null if it is not UTF-8, or holds a NUL character.")
    def text(self) -> str | None:
        text = self._text
        return None if text is None or "\0" in text else text

    @shared("The whole message as in the DASF protocol.")
    def content(self) -> JSON:
        return self.event.content  # type: ignore[return-value]

    @shared("A number that the producer chose to recognise the answers.")
    def context(self) -> int | None:
        return self.event.context

    @shared(
        "The position of the message in its topic: subscribe with it as `after` to continue after "
        "the message. Null if the topic stores nothing."
    )
    def cursor(self) -> str | None:
        return self.event.cursor

    @shared("When the broker accepted the message.")
    def publish_time(self) -> datetime:
        return self.event.publish_time

    @shared("The user who published the message; null if the account was deleted.")
    async def user(self, info: Info) -> User | None:
        return await load_user(info, self.event.user_id)

    @shared("Whether the message answers a request.")
    def is_response(self) -> bool:
        return self.event.is_response

    @shared("The topic on which answers to this message are expected.")
    def response_topic(self) -> str | None:
        answers = self.event.properties.get("response_topic")
        return answers if isinstance(answers, str) else None

    @strawberry.field(
        description="The users who acknowledged the message. You see all of them if you may change "
        "the topic, otherwise only yourself."
    )
    async def delivered_to(self, info: Info) -> list[User]:
        topic = await info.context.topics.load(self.event.topic_id)
        may_see_all = topic is not None and (await info.context.rights.load(topic)).may_change
        loader = info.context.delivered if may_see_all else info.context.acknowledged
        return await load_users(info, await self._delivered(loader))

    @shared("Whether every current consumer acknowledged the message.")
    async def delivered_to_all(self, info: Info) -> bool:
        delivered = await self._delivered(info.context.delivered)
        if not delivered:
            return False
        consumers = await info.context.consumers.load(self.event.topic_id) or frozenset()
        return bool(consumers) and consumers <= delivered

    @strawberry.field(description="Whether you acknowledged the message.")
    async def acknowledged(self, info: Info) -> bool:
        return bool(await self._delivered(info.context.acknowledged))

    # Decoded once, also for several aliases. They are kept with this object and not with the event,
    # which may wait for a slow subscriber.

    @cached_property
    def _data(self) -> Any:
        return self.event.read_data()

    @cached_property
    def _text(self) -> str | None:
        return self.event.text

    async def _delivered(self, loader: Deliveries) -> frozenset[str]:
        if self.event.sequence is None:
            return frozenset()
        key = (self.event.topic_id, self.event.sequence)
        return await loader.load(key) or frozenset()


MessageConnection = Connection[Message]
