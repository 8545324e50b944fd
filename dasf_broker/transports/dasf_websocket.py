"""The DASF websocket protocol, which ``demessaging`` and its backend modules speak.

Three sockets with JSON text frames: one to produce to a topic, one to consume from it, one to
answer pings. Their client notices a refusal only in a result that contains "error", and waits for
ever otherwise; so every refusal is such a result, and none closes the socket.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from contextlib import aclosing, suppress
from typing import Any, TypedDict
from uuid import UUID

from dasf_broker import app_settings, database
from dasf_broker.domain.envelope import Envelope, MessageType, check_uuid
from dasf_broker.domain.events import MessagePublished
from dasf_broker.exceptions import BadInputError, BrokerError, UnavailableError
from dasf_broker.operations.acknowledge import Acknowledging
from dasf_broker.operations.caller import Caller
from dasf_broker.operations.heartbeat import pong
from dasf_broker.operations.presence import note_sign_of_life, wait_until_consumable
from dasf_broker.operations.publish import Publication
from dasf_broker.operations.subscribe import messages
from dasf_broker.operations.topics import store_api_info
from dasf_broker.operations.writer import get_writer
from dasf_broker.transports import origins
from dasf_broker.transports.handshake import Receive, Scope, Send, headers_of, identify_socket
from dasf_broker.transports.outlets import outlet
from dasf_broker.transports.wire import read_json, write_json

logger = logging.getLogger(__name__)

#: Frames of one client that wait, and that are written together.
BATCH = 100

#: Characters of a frame after which the next is not read before this one is done with, so that
#: what one client makes us hold is bounded.
LARGE = 64 * 1024

#: Seconds before a consumer whose stream broke is served again.
RETRY = 1.0

FORBIDDEN = 4403
INTERNAL_ERROR = 1011
TRY_AGAIN_LATER = 1013

Frame = dict[str, Any]
#: What became of a frame: nothing to complain about, or an error.
Outcome = BrokerError | None


class Result(TypedDict, total=False):
    """The answer to a frame, server to client: ``result`` is "ok", or says what is wrong."""

    messageId: Any
    context: Any
    result: str


class DasfSocket:
    """One client's connection; there is a subclass for each of the three kinds."""

    #: Whether the client is told of a frame that was fine.
    confirms = True

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._headers = headers_of(scope)
        self.slug: str = scope["url_route"]["kwargs"].get("slug", "")
        self._caller: Caller | None = None
        self._refusal: BrokerError | None = None

    @classmethod
    def as_asgi(cls) -> Any:
        """Return the ASGI application, for a URL pattern."""

        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            async with outlet(send) as watched:
                await cls(scope, receive, watched).serve()

        return application

    @property
    def caller(self) -> Caller:
        """Who is at the other end.

        Raises
        ------
        BrokerError
            Their credential was refused.
        """
        if self._caller is None:
            raise self._refusal or UnavailableError("The socket is not ready yet.")
        return self._caller

    async def serve(self) -> None:
        """Serve the connection until the client goes."""
        await self._receive()  # websocket.connect
        await self._send({"type": "websocket.accept"})
        if not origins.is_allowed(self._headers):
            await self._close(FORBIDDEN)
            return
        try:
            self._caller = (await identify_socket(self._headers)).caller
        except UnavailableError:
            await self._close(TRY_AGAIN_LATER)  # clients do; here they would be deaf for good
            return
        except BrokerError as error:
            self._refusal = error
        try:
            await self._work()
        except* Exception:
            logger.exception("A DASF websocket failed.")
            await self._close(INTERNAL_ERROR)

    async def handle(self, frames: Sequence[Frame]) -> list[Outcome]:
        """Do what the frames ask for; return what became of each, in order."""
        raise NotImplementedError

    def jobs(self) -> list[Coroutine[Any, Any, None]]:
        """Return what goes on beside the reading of frames."""
        return []

    async def send_text(self, text: str) -> None:
        """Send a frame, if the client is still there."""
        with suppress(OSError):  # whoever reads the frames notices that the client has gone
            await self._send({"type": "websocket.send", "text": text})

    async def _work(self) -> None:
        waiting: asyncio.Queue[str | None] = asyncio.Queue(BATCH)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(job) for job in self.jobs()]
            group.create_task(self._answer_all(waiting))
            while (message := await self._receive())["type"] == "websocket.receive":
                text = message.get("text") or ""
                await waiting.put(text)
                if len(text) > LARGE:
                    await waiting.join()
            for task in tasks:
                task.cancel()
            await waiting.put(None)  # what the client sent before it went still counts

    async def _answer_all(self, waiting: asyncio.Queue[str | None]) -> None:
        while True:
            texts = [await waiting.get()]
            while len(texts) < BATCH and not waiting.empty():
                texts.append(waiting.get_nowait())
            await self._answer([_read(text) for text in texts if text is not None])
            if None in texts:
                return
            for _ in texts:
                waiting.task_done()

    async def _answer(self, frames: Sequence[Frame | BrokerError]) -> None:
        readable = [frame for frame in frames if not isinstance(frame, BrokerError)]
        try:
            outcomes = iter(await self.handle(readable))
        except BrokerError as error:
            outcomes = iter([error] * len(readable))
        except Exception:
            logger.exception("The frames of a DASF websocket could not be dealt with.")
            outcomes = iter([BrokerError("The broker failed; its log says how.")] * len(readable))
        for frame in frames:
            if isinstance(frame, BrokerError):
                await self.send_text(write_json(_result({}, frame)))
            elif (outcome := next(outcomes)) is not None or self.confirms:
                await self.send_text(write_json(_result(frame, outcome)))

    async def _close(self, code: int) -> None:
        with suppress(OSError):
            await self._send({"type": "websocket.close", "code": code})


class ProducerSocket(DasfSocket):
    """``<route><slug>``: the client publishes, and is told of each message what became of it."""

    async def handle(self, frames: Sequence[Frame]) -> list[Outcome]:
        """Publish the messages, all together."""
        caller, limit = self.caller, app_settings.DASF_MAX_MESSAGE_SIZE

        def publication(frame: Frame) -> Publication:
            envelope = Envelope.parse(frame, max_size=limit)
            frame["messageId"] = str(envelope.message_id)  # the answer names it
            return Publication(caller, self.slug, envelope)

        return await _each(frames, publication, get_writer().publish)


class ConsumerSocket(DasfSocket):
    """``<route><slug>/<subscription>``: the client is sent messages, and acknowledges them.

    It may be opened before its topic exists: answers are listened for before they are asked for.
    """

    confirms = False

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        super().__init__(scope, receive, send)
        self._last_ping: UUID | None = None

    async def handle(self, frames: Sequence[Frame]) -> list[Outcome]:
        """Acknowledge the messages, all together."""
        caller = self.caller

        def acknowledging(frame: Frame) -> Acknowledging:
            return Acknowledging(caller, self.slug, check_uuid(frame.get("messageId")))

        outcomes = await _each(frames, acknowledging, get_writer().acknowledge)
        if None in outcomes:
            await note_sign_of_life(caller, self.slug, self._last_ping)
        return outcomes

    def jobs(self) -> list[Coroutine[Any, Any, None]]:
        """Return the delivery of messages, to a client that may be delivered to."""
        return [] if self._caller is None else [self._deliver()]

    async def _deliver(self) -> None:
        while True:
            try:
                await wait_until_consumable(self.caller, self.slug)
                await self._follow()
            except BadInputError:
                return  # not a slug: there will never be such a topic
            except BrokerError:
                # Deleted, taken away, or no database for the moment: wait for it again.
                await asyncio.sleep(RETRY)

    async def _follow(self) -> None:
        stream = messages(self.caller, self.slug, types=frozenset(MessageType))
        async with aclosing(stream) as received:  # type: ignore[type-var]
            async for each in received:
                if each.message.message_type is MessageType.PING:
                    self._last_ping = each.message.message_id
                await self.send_text(each.delivery.view(_delivered))


class StatusPingSocket(DasfSocket):
    """``<route>status-ping``: modules answer pings, and describe themselves."""

    async def handle(self, frames: Sequence[Frame]) -> list[Outcome]:
        """Note the answers."""
        return [await self._note(frame) for frame in frames]

    async def _note(self, frame: Frame) -> Outcome:
        try:
            properties = Envelope.parse(
                {**frame, "messageId": None}, max_size=app_settings.DASF_MAX_MESSAGE_SIZE
            ).properties
            slug = properties.get("source_topic")
            if not isinstance(slug, str):
                raise BadInputError("source_topic names the topic that answers.")
            if "api_info" in properties:
                described = _json(properties["api_info"])
                await database.write(store_api_info, self.caller, slug, described)
            else:
                await database.write(pong, self.caller, slug)
        except BrokerError as error:
            return error
        return None


def _read(text: str) -> Frame | BrokerError:
    try:
        frame = read_json(text)
    except BrokerError as error:
        return error
    return frame if isinstance(frame, dict) else BadInputError("A frame is a JSON object.")


def _json(text: Any) -> Any:
    if not isinstance(text, str):
        raise BadInputError("api_info is JSON as text.")
    value = read_json(text)
    # As a property, so that it is checked for what databases cannot keep in JSON.
    Envelope.parse({"properties": {"api_info": value}}, max_size=app_settings.DASF_MAX_MESSAGE_SIZE)
    return value


async def _each(
    frames: Sequence[Frame], make: Callable[[Frame], Any], operation: Any
) -> list[Outcome]:
    """Run a batch operation over the frames that can be read as its items."""
    drafts: list[Any] = []
    for frame in frames:
        try:
            drafts.append(make(frame))
        except BrokerError as error:
            drafts.append(error)
    items = [draft for draft in drafts if not isinstance(draft, BrokerError)]
    done = iter(await operation(items) if items else ())
    outcomes = [draft if isinstance(draft, BrokerError) else next(done) for draft in drafts]
    return [outcome if isinstance(outcome, BrokerError) else None for outcome in outcomes]


def _result(frame: Frame, outcome: Outcome) -> Result:
    result: Result = {"result": "ok" if outcome is None else f"error: {outcome}"}
    if "messageId" in frame:
        result["messageId"] = frame["messageId"]
    if "context" in frame:
        result["context"] = frame["context"]
    return result


def _delivered(message: MessagePublished) -> str:
    times = {"publishTime": message.publish_time.isoformat()}
    return write_json({**message.content, "messageId": str(message.message_id), **times})
