"""The DASF websocket protocol, which ``demessaging`` and its backend modules use.

Three sockets with JSON text frames: one to produce to a topic, one to consume from it, one to
answer pings.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from contextlib import aclosing
from typing import Any
from uuid import UUID

from dasf_broker import app_settings
from dasf_broker.answers import answer_to
from dasf_broker.domain.envelope import Envelope, MessageType, check_uuid
from dasf_broker.domain.events import MessagePublished
from dasf_broker.exceptions import BadInputError, BrokerError
from dasf_broker.operations.acknowledge import Acknowledging
from dasf_broker.operations.heartbeat import pong
from dasf_broker.operations.publications import Publication
from dasf_broker.operations.storage.lock import write_topic
from dasf_broker.operations.subscriptions.consumers import note_sign_of_life
from dasf_broker.operations.subscriptions.retry import messages_with_retry
from dasf_broker.operations.topics import store_api_info
from dasf_broker.runtime import current
from dasf_broker.transports.connection.handshake import Receive, Scope, Send
from dasf_broker.transports.json_codec import read_json, write_json
from dasf_broker.transports.websocket.dasf_protocol import DasfSocket, Frame, Outcome


class ProducerSocket(DasfSocket):
    """``<route><slug>``: the client publishes, and gets an answer to each message."""

    async def handle(self, frames: Sequence[Frame]) -> list[Outcome]:
        """Publish the messages in one batch."""
        caller, limit = self.caller, app_settings.DASF_MAX_MESSAGE_SIZE

        def publication(frame: Frame) -> Publication:
            envelope = Envelope.parse(frame, max_size=limit)
            frame["messageId"] = str(envelope.message_id)  # it is in the answer
            return Publication(caller, self.slug, envelope)

        return await _each(frames, publication, current().writer.publish)


class ConsumerSocket(DasfSocket):
    """``<route><slug>/<subscription>``: the client gets messages, and acknowledges them.

    The socket may be opened before its topic exists: a client listens for answers before it sends
    its first request.
    """

    confirms = False
    publishes = False

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        super().__init__(scope, receive, send)
        self._last_ping: UUID | None = None

    async def handle(self, frames: Sequence[Frame]) -> list[Outcome]:
        """Acknowledge the messages in one batch."""
        caller = self.caller

        def acknowledging(frame: Frame) -> Acknowledging:
            return Acknowledging(caller, self.slug, check_uuid(frame.get("messageId")))

        outcomes = await _each(frames, acknowledging, current().writer.acknowledge)
        if None in outcomes:
            await note_sign_of_life(current(), caller, self.slug, self._last_ping)
        return outcomes

    def jobs(self) -> list[Coroutine[Any, Any, None]]:
        """Return the delivery of messages, if the credential was not refused."""
        return [] if self._caller is None else [self._deliver()]

    async def _deliver(self) -> None:
        stream = messages_with_retry(current(), self.caller, self.slug)
        async with aclosing(stream) as deliveries:  # type: ignore[type-var]
            async for each in deliveries:
                self.slug = each.message.topic_slug  # the topic may have been renamed
                if each.message.message_type is MessageType.PING:
                    self._last_ping = each.message.message_id
                try:
                    text = each.made(_delivered)
                except ValueError as error:
                    # Not the end of the socket: the message would come again with the next one.
                    answer_to(error)
                    continue
                await self.send_text(text)
                del each, text  # they may be large, and the next ones long in coming


class StatusPingSocket(DasfSocket):
    """``<route>status-ping``: modules answer pings, and describe themselves."""

    async def handle(self, frames: Sequence[Frame]) -> list[Outcome]:
        """Record the pongs and API descriptions."""
        return [await self._record(frame) for frame in frames]

    async def _record(self, frame: Frame) -> Outcome:
        try:
            properties = Envelope.parse(
                {**frame, "messageId": None}, max_size=app_settings.DASF_MAX_MESSAGE_SIZE
            ).properties
            slug = properties.get("source_topic")
            if not isinstance(slug, str):
                raise BadInputError("`source_topic` is the slug of the topic that answers.")
            if "api_info" in properties:
                described = _json(properties["api_info"])
                await write_topic(store_api_info, self.caller, slug, described)
            else:
                await write_topic(pong, self.caller, slug)
        except BrokerError as error:
            return answer_to(error)
        return None


def _json(text: Any) -> Any:
    if not isinstance(text, str):
        raise BadInputError("`api_info` is JSON as text.")
    value = read_json(text)
    # As a property, which is checked for values that databases cannot store as JSON.
    Envelope.parse({"properties": {"api_info": value}}, max_size=app_settings.DASF_MAX_MESSAGE_SIZE)
    return value


async def _each(
    frames: Sequence[Frame], make: Callable[[Frame], Any], operation: Any
) -> list[Outcome]:
    """Run a batch operation on the valid frames."""
    drafts: list[Any] = []
    for frame in frames:
        try:
            drafts.append(make(frame))
        except BrokerError as error:
            drafts.append(error)
    items = [draft for draft in drafts if not isinstance(draft, BrokerError)]
    done = iter(await operation(items) if items else ())
    outcomes = [draft if isinstance(draft, BrokerError) else next(done) for draft in drafts]
    return [
        answer_to(each) if isinstance(each, BrokerError) else getattr(each, "warning", None)
        for each in outcomes
    ]


def _delivered(message: MessagePublished) -> str:
    times = {"publishTime": message.publish_time.isoformat()}
    return write_json({**message.content, "messageId": str(message.message_id), **times})
