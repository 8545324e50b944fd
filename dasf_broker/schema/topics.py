"""Topics, as the API shows them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from functools import partial
from typing import Annotated, Any, Self

import strawberry
from strawberry import relay
from strawberry.scalars import JSON

from dasf_broker import database, models
from dasf_broker.domain.storage import StoragePolicy
from dasf_broker.exceptions import BrokerError, NotFoundError
from dasf_broker.operations.access import access_by_id
from dasf_broker.operations.browse import (
    everything,
    list_messages,
    list_response_topics,
    list_source_messages,
)
from dasf_broker.operations.paging import Page, PageRequest
from dasf_broker.permissions import Right, users_with
from dasf_broker.schema.availability import Availability
from dasf_broker.schema.connections import (
    After,
    Before,
    Connection,
    First,
    Last,
    connect,
    page_request,
)
from dasf_broker.schema.context import Info
from dasf_broker.schema.filters import MessageFilter, restriction
from dasf_broker.schema.messages import Message, MessageConnection
from dasf_broker.schema.nodes import primary_key
from dasf_broker.schema.people import User
from dasf_broker.schema.sharing import shared
from dasf_broker.schema.topic_permissions import TopicPermissions

Narrowed = Annotated[
    MessageFilter | None, strawberry.argument(description="Return only these messages.")
]


@strawberry.interface(
    description="A named channel: producers publish messages to it, consumers read them."
)
class Topic(relay.Node):
    """What all topics have."""

    row: strawberry.Private[models.BrokerTopic]

    @classmethod
    def resolve_id(cls, root: Self, *, info: Info) -> str:  # noqa: ARG003
        """Return the primary key, which is never used again."""
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

    @shared("The topic's name, by which you publish and subscribe.")
    def slug(self) -> str:
        """Return the slug."""
        return self.row.slug

    @shared("Whether everybody may see the topic, publish to it and ping it.")
    def is_public(self) -> bool:
        """Tell whether the topic is public."""
        return self.row.is_public

    @shared("Whether the consumers of the topic answer pings.")
    def supports_dasf(self) -> bool:
        """Tell whether pings are answered."""
        return self.row.supports_dasf

    @shared("How long messages are kept; null: as the server's settings say.")
    def store_messages(self) -> StoragePolicy | None:
        """Return the topic's own policy."""
        return StoragePolicy(self.row.store_messages) if self.row.store_messages else None

    @shared("How long messages are kept: what holds, by the topic's own rule or the server's.")
    def effective_store_messages(self) -> StoragePolicy:
        """Return the policy that holds."""
        return self.row.storage_policy

    @shared("When the topic was created.")
    def date_created(self) -> datetime:
        """Return the time of creation."""
        return self.row.date_created

    @shared("When the topic is removed unless somebody uses it again; null: it stays.")
    def garbage_collect_on(self) -> datetime | None:
        """Return the time of removal."""
        return self.row.garbage_collect_on

    @shared("How the backend module behind the topic describes its functions.")
    def api_info(self) -> JSON | None:
        """Return the module's API description."""
        return self.row.api_info

    @shared("Whether the topic carries answers to the requests of another one.")
    def is_response_topic(self) -> bool:
        """Tell whether this is a response topic."""
        return self.row.is_response_topic

    @strawberry.field(description="Where DASF backend modules connect to the topic.")
    def websocket_url(self, info: Info) -> str:
        """Return the URL of the DASF websocket."""
        return models.websocket_url(info.context.root_url, self.row.slug)

    @shared("Whether the consumers of the topic answer pings.")
    def availability(self) -> Availability:
        """Return the availability as of the row."""
        return Availability.of(self.row)

    @strawberry.field(description="What you may do with the topic.")
    async def permissions(self, info: Info) -> TopicPermissions:
        """Return the viewer's rights."""
        return TopicPermissions.of(await info.context.rights.load(self.row))

    @strawberry.field(description="The stored messages that you may read: none unless a consumer.")
    async def messages(
        self,
        info: Info,
        filter: Narrowed = strawberry.UNSET,  # noqa: A002 - the contract's name
        first: First = strawberry.UNSET,
        after: After = strawberry.UNSET,
        last: Last = strawberry.UNSET,
        before: Before = strawberry.UNSET,
    ) -> MessageConnection:
        """Return a page of stored messages."""
        request = page_request(first, after, last, before)
        return await self._messages(info, request, restrict=restriction(filter, info))

    @strawberry.field(description="The stored messages that you have not acknowledged yet.")
    async def outstanding_messages(
        self,
        info: Info,
        first: First = strawberry.UNSET,
        after: After = strawberry.UNSET,
        last: Last = strawberry.UNSET,
        before: Before = strawberry.UNSET,
    ) -> MessageConnection:
        """Return a page of what the viewer still has to acknowledge."""
        request = page_request(first, after, last, before)
        return await self._messages(info, request, restrict=everything, outstanding=True)

    @strawberry.field(
        description="How many stored messages you have not acknowledged: none unless a consumer."
    )
    async def outstanding_count(self, info: Info) -> int:
        """Return how many messages the viewer still has to acknowledge."""
        rights = await info.context.rights.load(self.row)
        if not rights.may_consume:
            return 0
        return await info.context.outstanding.load(self.row.pk) or 0

    @strawberry.field(description="Who may consume; listed for those who may change the topic.")
    async def consumers(self, info: Info) -> list[User]:
        """Return the consumers, to managers."""
        return await self._holders(info, Right.CONSUME)

    @strawberry.field(description="Who may publish; listed for those who may change the topic.")
    async def producers(self, info: Info) -> list[User]:
        """Return the producers, to managers."""
        return await self._holders(info, Right.PRODUCE)

    @strawberry.field(
        description="Who was given the right to see the status; listed for those who may change "
        "the topic."
    )
    async def status_viewers(self, info: Info) -> list[User]:
        """Return the status viewers, to managers."""
        return await self._holders(info, Right.VIEW_STATUS)

    async def _messages(
        self, info: Info, request: PageRequest, **options: Any
    ) -> MessageConnection:
        request.size()
        found = await info.context.access(self.row)
        if not found.rights.may_consume:
            return connect(Page.empty(), Message.of)
        page = await database.read(list_messages, found, request, **options)
        return connect(page, Message.of)

    async def _holders(self, info: Info, right: Right) -> list[User]:
        rights = await info.context.rights.load(self.row)
        if not rights.may_change:
            return []
        return await database.read(partial(_users, self.row, right))


@strawberry.type(name="BrokerTopic", description="A topic that people or modules publish to.")
class BrokerTopic(Topic):
    """A topic in its own right."""

    @strawberry.field(description="The topics for answers to this one's requests, as you see them.")
    async def response_topics(
        self,
        info: Info,
        first: First = strawberry.UNSET,
        after: After = strawberry.UNSET,
        last: Last = strawberry.UNSET,
        before: Before = strawberry.UNSET,
    ) -> Connection[Annotated[ResponseTopic, strawberry.lazy("dasf_broker.schema.topics")]]:
        """Return a page of response topics."""
        request = page_request(first, after, last, before)
        page = await database.read(list_response_topics, info.context.caller, self.row, request)
        return connect(page, topic_type)


@strawberry.type(
    name="ResponseTopic", description="A topic for the answers to requests: its owner consumes."
)
class ResponseTopic(Topic):
    """A topic that carries answers."""

    @strawberry.field(description="The topic whose requests are answered here, if you may see it.")
    async def is_response_for(self, info: Info) -> BrokerTopic | None:
        """Return the source topic, if the viewer may see it."""
        source = await self._source(info)
        if source is None or not (await info.context.rights.load(source)).is_visible:
            return None
        topic = topic_type(source)
        return topic if isinstance(topic, BrokerTopic) else None

    @strawberry.field(description="The stored requests that are answered here, as you may read.")
    async def source_messages(
        self,
        info: Info,
        first: First = strawberry.UNSET,
        after: After = strawberry.UNSET,
        last: Last = strawberry.UNSET,
        before: Before = strawberry.UNSET,
    ) -> MessageConnection:
        """Return a page of requests."""
        request = page_request(first, after, last, before)
        source = await self._source(info)
        may_consume = source is not None and (await info.context.rights.load(source)).may_consume
        page = await database.read(
            list_source_messages,
            info.context.caller,
            self.row,
            may_consume_source=may_consume,
            request=request,
        )
        return connect(page, Message.of)

    async def _source(self, info: Info) -> models.BrokerTopic | None:
        source_id = self.row.source_topic_id
        return None if source_id is None else await info.context.topics.load(source_id)


TopicConnection = Connection[Topic]


def topic_type(row: models.BrokerTopic) -> BrokerTopic | ResponseTopic:
    """Return a topic as the API shows it."""
    return ResponseTopic(row=row) if row.is_response_topic else BrokerTopic(row=row)


async def load_topic(info: Info, topic_id: int) -> BrokerTopic | ResponseTopic:
    """Return the topic that an event names.

    Raises
    ------
    NotFoundError
        It was deleted meanwhile.
    """
    row = await info.context.topics.load(topic_id)
    if row is None:
        raise NotFoundError("The topic was deleted.")
    return topic_type(row)


def _users(topic: models.BrokerTopic, right: Right) -> list[User]:
    return sorted(map(User.of, users_with(topic, right)), key=lambda user: user.username)
