"""Topics in the API."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Self

import strawberry
from strawberry import relay

from dasf_broker import database, models
from dasf_broker.exceptions import BrokerError, NotFoundError
from dasf_broker.operations.access import access_by_id
from dasf_broker.operations.lists.paging import Page
from dasf_broker.permissions import Right
from dasf_broker.schema.execution.context import Info
from dasf_broker.schema.execution.loaders import Messages, SourceMessages
from dasf_broker.schema.filters import MessageFilter, restriction
from dasf_broker.schema.types.connections import (
    After,
    Before,
    Connection,
    First,
    Last,
    connect,
    page_request,
)
from dasf_broker.schema.types.messages import Message, MessageConnection
from dasf_broker.schema.types.nodes import primary_key
from dasf_broker.schema.types.topic_fields import TopicFields
from dasf_broker.schema.types.topic_permissions import TopicPermissions
from dasf_broker.schema.types.users import User

MessageFilterArgument = Annotated[
    MessageFilter | None, strawberry.argument(description="Return only these messages.")
]


@strawberry.interface(
    description="A named channel: producers publish messages to it, and consumers read them."
)
class Topic(relay.Node, TopicFields):
    @classmethod
    def resolve_id(cls, root: Self, *, info: Info) -> str:  # noqa: ARG003
        """Return the primary key, which no later topic gets."""
        return str(root.row.pk)

    @classmethod
    async def resolve_node(  # type: ignore[override]
        cls, node_id: str, *, info: Info, required: bool = False
    ) -> Topic | None:
        """Return the topic with this id, if the caller may see it."""
        topic_id = primary_key(node_id)
        try:
            found = await database.read(access_by_id, info.context.caller, topic_id)
        except BrokerError:
            if required:
                raise
            return None
        topic = topic_type(found.topic)
        return topic if isinstance(topic, cls) else None

    @classmethod
    def resolve_nodes(cls, *, info: Info, node_ids: Iterable[str], required: bool = False) -> Any:
        """Return the topics with these ids."""
        return [cls.resolve_node(each, info=info, required=required) for each in node_ids]

    @strawberry.field(description="The URL at which DASF backend modules connect to the topic.")
    def websocket_url(self, info: Info) -> str:
        return models.websocket_url(info.context.root_url, self.row.slug)

    @strawberry.field(description="Your rights on the topic.")
    async def permissions(self, info: Info) -> TopicPermissions:
        return TopicPermissions.of(await info.context.rights.load(self.row))

    @strawberry.field(description="The stored messages; empty if you are not a consumer.")
    async def messages(
        self,
        info: Info,
        filter: MessageFilterArgument = strawberry.UNSET,
        first: First = strawberry.UNSET,
        after: After = strawberry.UNSET,
        last: Last = strawberry.UNSET,
        before: Before = strawberry.UNSET,
    ) -> MessageConnection:
        request = page_request(first, after, last, before)
        return await self._messages(info, Messages(request, restriction(filter, info)))

    @strawberry.field(description="The stored messages that you have not acknowledged yet.")
    async def outstanding_messages(
        self,
        info: Info,
        first: First = strawberry.UNSET,
        after: After = strawberry.UNSET,
        last: Last = strawberry.UNSET,
        before: Before = strawberry.UNSET,
    ) -> MessageConnection:
        request = page_request(first, after, last, before)
        return await self._messages(info, Messages(request, outstanding=True))

    @strawberry.field(
        description="How many stored messages you have not acknowledged; 0 if you may not consume."
    )
    async def outstanding_count(self, info: Info) -> int:
        rights = await info.context.rights.load(self.row)
        if not rights.may_consume:
            return 0
        return await info.context.outstanding.load(self.row.pk) or 0

    @strawberry.field(
        description="The users who may consume; empty if you may not change the topic."
    )
    async def consumers(self, info: Info) -> list[User]:
        return await self._holders(info, Right.CONSUME)

    @strawberry.field(
        description="The users who may publish; empty if you may not change the topic."
    )
    async def producers(self, info: Info) -> list[User]:
        return await self._holders(info, Right.PRODUCE)

    @strawberry.field(
        description="The users who were granted the right to see the status; empty if you may not "
        "change the topic."
    )
    async def status_viewers(self, info: Info) -> list[User]:
        return await self._holders(info, Right.VIEW_STATUS)

    async def _messages(self, info: Info, wanted: Messages) -> MessageConnection:
        wanted.request.size()
        rights = await info.context.rights.load(self.row)
        if not rights.may_consume:
            return connect(Page.empty(), Message.of)
        return connect(await info.context.pages.messages.load((self.row, wanted)), Message.of)

    async def _holders(self, info: Info, right: Right) -> list[User]:
        rights = await info.context.rights.load(self.row)
        if not rights.may_change:
            return []
        names = await info.context.holders.load((self.row, right)) or set()
        return [User(username=name) for name in sorted(names)]


@strawberry.type(
    name="BrokerTopic", description="A topic to which users and backend modules publish."
)
class BrokerTopic(Topic):
    @strawberry.field(
        description="The topics for answers to requests of this topic that you may see."
    )
    async def response_topics(
        self,
        info: Info,
        first: First = strawberry.UNSET,
        after: After = strawberry.UNSET,
        last: Last = strawberry.UNSET,
        before: Before = strawberry.UNSET,
    ) -> Connection[Annotated[ResponseTopic, strawberry.lazy("dasf_broker.schema.types.topics")]]:
        request = page_request(first, after, last, before)
        return connect(
            await info.context.pages.response_topics.load((self.row, request)), topic_type
        )


@strawberry.type(
    name="ResponseTopic", description="A topic for the answers to requests. Its owner consumes it."
)
class ResponseTopic(Topic):
    @strawberry.field(
        description="The topic whose requests are answered here; null if you may not see it."
    )
    async def is_response_for(self, info: Info) -> BrokerTopic | None:
        source = await self._source(info)
        topic = None if source is None else topic_type(source)
        return topic if isinstance(topic, BrokerTopic) else None

    @strawberry.field(
        description="The stored requests that are answered here and that you may read."
    )
    async def source_messages(
        self,
        info: Info,
        first: First = strawberry.UNSET,
        after: After = strawberry.UNSET,
        last: Last = strawberry.UNSET,
        before: Before = strawberry.UNSET,
    ) -> MessageConnection:
        request = page_request(first, after, last, before)
        source = await self._source(info)
        if source is None:
            return connect(Page.empty(), Message.of)
        rights = await info.context.rights.load(source)
        wanted = SourceMessages(request, may_consume_source=rights.may_consume)
        page = await info.context.pages.source_messages.load(((self.row, source), wanted))
        return connect(page, Message.of)

    async def _source(self, info: Info) -> models.BrokerTopic | None:
        """Return the source topic, if the viewer may see it."""
        source_id = self.row.source_topic_id
        source = None if source_id is None else await info.context.topics.load(source_id)
        if source is None or not (await info.context.rights.load(source)).is_visible:
            return None
        return source


TopicConnection = Connection[Topic]


def topic_type(row: models.BrokerTopic) -> BrokerTopic | ResponseTopic:
    """Return a topic as the API shows it."""
    return ResponseTopic(row=row) if row.is_response_topic else BrokerTopic(row=row)


async def load_topic(info: Info, topic_id: int) -> BrokerTopic | ResponseTopic:
    """Return the topic that an event names.

    Raises
    ------
    NotFoundError
        The topic was deleted meanwhile.
    """
    row = await info.context.topics.load(topic_id)
    if row is None:
        raise NotFoundError("The topic was deleted.")
    return topic_type(row)
