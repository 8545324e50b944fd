"""What a program does with the generated client: publish a message, and read it back, live."""  # noqa: INP001 - copied to where it runs

import asyncio
import os
from datetime import datetime
from uuid import UUID

from broker_client import (  # type: ignore[import-not-found,unused-ignore]
    AcknowledgeStatus,
    BrokerClient,
    PublishStatus,
)


async def main() -> None:
    """Publish, receive and acknowledge one message."""
    authorization = {"Authorization": f"Bearer {os.environ['KEY']}"}
    async with BrokerClient(
        url=os.environ["GRAPHQL_HTTP"],
        headers=authorization,
        ws_url=os.environ["GRAPHQL_WEBSOCKET"],
        ws_connection_init_payload=authorization,
    ) as client:
        published = (await client.publish("topic", {"hello": "world"})).publish_message
        assert published.status is PublishStatus.STORED
        message_id: UUID = published.message.message_id
        async for received in client.watch_messages("topic"):
            message = received.messages
            published_at: datetime = message.publish_time
            assert published_at.tzinfo is not None
            assert (message.message_id, message.data) == (message_id, {"hello": "world"})
            break
        done = (await client.acknowledge("topic", [message_id])).acknowledge_messages
        assert [each.status for each in done.results] == [AcknowledgeStatus.ACKNOWLEDGED]


asyncio.run(main())
