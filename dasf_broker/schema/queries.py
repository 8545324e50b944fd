"""The queries."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import strawberry
from strawberry import relay

from dasf_broker import app_settings, database
from dasf_broker.domain.storage import StoragePolicy
from dasf_broker.operations.access import access
from dasf_broker.operations.caller import Caller
from dasf_broker.operations.lists.browse import (
    MessageOrder,
    TopicOrder,
    find_message,
    list_messages,
    list_topics,
)
from dasf_broker.permissions import Right, global_rights_of, present_user
from dasf_broker.schema.execution.context import Info
from dasf_broker.schema.filters import TopicFilter, restriction
from dasf_broker.schema.types.connections import After, Before, First, Last, connect, page_request
from dasf_broker.schema.types.messages import Message, MessageConnection
from dasf_broker.schema.types.nodes import find_node
from dasf_broker.schema.types.topics import (
    MessageFilterArgument,
    Topic,
    TopicConnection,
    topic_type,
)
from dasf_broker.schema.types.users import Viewer
from dasf_broker.version import __version__

TopicSlug = Annotated[str, strawberry.argument(description="The slug of the topic.")]


@strawberry.type(description="The server: its version and limits.")
class Broker:
    version: str = strawberry.field(description="The version of the broker.")
    store_source_messages: StoragePolicy = strawberry.field(
        description="How long messages are kept in topics without their own `storeMessages`."
    )
    store_response_messages: StoragePolicy = strawberry.field(
        description="The same for response topics."
    )
    creates_topics_on_message: bool = strawberry.field(
        description="Whether a message to an unknown topic creates it, if the user may add topics."
    )
    max_message_size: int = strawberry.field(description="Most bytes of one message.")
    default_page_size: int = strawberry.field(
        description="Items in a page if the query gives no number."
    )
    max_page_size: int = strawberry.field(description="Most items in a page.")


@strawberry.type
class Query:
    """The queries of the broker; the ``Query`` type of a schema inherits from them."""

    @strawberry.field(
        description="A topic by its slug; null and NOT_FOUND if it does not exist or you may not "
        "see it."
    )
    async def topic(self, info: Info, slug: TopicSlug) -> Topic | None:
        found = await database.read(access, info.context.caller, slug, field="slug")
        return topic_type(found.topic)

    @strawberry.field(description="The topics that you may see.")
    async def topics(
        self,
        info: Info,
        filter: Annotated[
            TopicFilter | None, strawberry.argument(description="Return only these topics.")
        ] = strawberry.UNSET,
        order: Annotated[
            TopicOrder, strawberry.argument(description="The order of the list.")
        ] = TopicOrder.SLUG,
        first: First = strawberry.UNSET,
        after: After = strawberry.UNSET,
        last: Last = strawberry.UNSET,
        before: Before = strawberry.UNSET,
    ) -> TopicConnection:
        page = await database.read(
            list_topics,
            info.context.caller,
            page_request(first, after, last, before),
            order=order,
            restrict=restriction(filter, info),
        )
        return connect(page, topic_type)

    @strawberry.field(
        description="A stored message; null if it does not exist or you may not read it. "
        "You may always read messages that you published."
    )
    async def message(
        self,
        info: Info,
        topic: TopicSlug,
        message_id: Annotated[UUID, strawberry.argument(description="The id of the message.")],
    ) -> Message | None:
        event = await database.read(find_message, info.context.caller, topic, message_id)
        return None if event is None else Message.of(event)

    @strawberry.field(
        description="The stored messages of a topic. You must be one of its consumers."
    )
    async def messages(
        self,
        info: Info,
        topic: TopicSlug,
        filter: MessageFilterArgument = strawberry.UNSET,
        order: Annotated[
            MessageOrder, strawberry.argument(description="The order of the list.")
        ] = MessageOrder.OLDEST,
        first: First = strawberry.UNSET,
        after: After = strawberry.UNSET,
        last: Last = strawberry.UNSET,
        before: Before = strawberry.UNSET,
    ) -> MessageConnection:
        found = await database.read(access, info.context.caller, topic)
        page = await database.read(
            list_messages,
            found,
            page_request(first, after, last, before),
            order=order,
            restrict=restriction(filter, info),
            budget=info.context.reading,
        )
        return connect(page, Message.of)

    @strawberry.field(
        description="An object by its global id; null if it does not exist or you may not see it."
    )
    async def node(
        self,
        info: Info,
        id: Annotated[relay.GlobalID, strawberry.argument(description="The id of the object.")],
    ) -> relay.Node | None:
        return await find_node(info, id)

    @strawberry.field(description="Your account, as the server identified you.")
    async def viewer(self, info: Info) -> Viewer:
        return await database.read(_viewer, info.context.caller)

    @strawberry.field(description="The server: its version and limits.")
    def broker(self) -> Broker:
        return Broker(
            version=__version__,
            store_source_messages=app_settings.DASF_STORE_SOURCE_MESSAGES,
            store_response_messages=app_settings.DASF_STORE_RESPONSE_MESSAGES,
            creates_topics_on_message=app_settings.DASF_CREATE_TOPIC_ON_MESSAGE,
            max_message_size=app_settings.DASF_MAX_MESSAGE_SIZE,
            default_page_size=app_settings.DASF_PAGE_SIZE,
            max_page_size=app_settings.DASF_MAX_PAGE_SIZE,
        )


def _viewer(caller: Caller) -> Viewer:
    # Read now: a name and a flag may have changed since the caller connected.
    user, rights = present_user(caller.user), global_rights_of(caller.user)
    return Viewer(
        is_authenticated=not caller.is_anonymous,
        username=None if caller.is_anonymous or user is None else user.get_username(),
        is_superuser=rights.is_superuser,
        can_create_topics=rights.has_any([Right.ADD]),
    )
