"""Strawberry's own channels consumer: the same subscription as it comes out of the box.

Messages go through a group of the channel layer to each socket's consumer, as in strawberry's
documentation. Nothing is stored, and callers are not authenticated.
"""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from typing import Any

from django.conf import settings

settings.configure(
    DEBUG=False,
    SECRET_KEY="a yardstick has no secrets",
    ALLOWED_HOSTS=["127.0.0.1"],
    INSTALLED_APPS=["channels"],
    ROOT_URLCONF=__name__,
    CHANNEL_LAYERS={
        "default": {
            "BACKEND": "channels_redis.core.RedisChannelLayer",
            "CONFIG": {
                "hosts": [{"address": os.environ["REDIS_URL"], "socket_timeout": None}],
                "capacity": 100_000,  # it counts for all sockets of a process together
            },
        }
    },
)

import django  # noqa: E402 - settings first

django.setup()

import strawberry  # noqa: E402
from channels.layers import get_channel_layer  # noqa: E402
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from django.urls import path  # noqa: E402
from strawberry.channels import GraphQLHTTPConsumer, GraphQLWSConsumer  # noqa: E402
from strawberry.scalars import JSON  # noqa: E402

from benchmarks.servers.bare import live  # noqa: E402

GROUP = "topic"
urlpatterns: list[Any] = []


@strawberry.type
class Message:
    """A message."""

    message_id: str
    publish_time: str
    cursor: str
    data: JSON


@strawberry.type
class Query:
    """GraphQL wants one."""

    ok: bool = True


@strawberry.type
class Mutation:
    """What can be done."""

    @strawberry.mutation
    async def publish(self, id: str, data: JSON) -> str:  # noqa: A002
        """Send a message to all subscribers."""
        message = {"id": id, "time": datetime.now(UTC).isoformat(), "data": data}
        await get_channel_layer().group_send(GROUP, {"type": "topic.message", **message})
        return id


@strawberry.type
class Subscription:
    """What can be listened to."""

    @strawberry.subscription
    async def messages(self, info: strawberry.Info) -> AsyncGenerator[Message, None]:
        """Stream what is published."""
        consumer = info.context["ws"]
        async with consumer.listen_to_channel("topic.message", groups=[GROUP]) as received:
            async for message in received:
                yield Message(
                    message_id=message["id"],
                    publish_time=message["time"],
                    cursor="WzEsIDFd",
                    data=message["data"],
                )


schema = strawberry.Schema(Query, Mutation, Subscription)
application = ProtocolTypeRouter(
    {
        "http": URLRouter([path("graphql/", GraphQLHTTPConsumer.as_asgi(schema=schema))]),
        "websocket": URLRouter([path("graphql/", GraphQLWSConsumer.as_asgi(schema=schema))]),
        "lifespan": lambda _, receive, send: live(receive, send),
    }
)
